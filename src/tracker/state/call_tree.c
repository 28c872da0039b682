/* call_tree.c - see call_tree.h. */
#include "state/call_tree.h"

#include "platform/platform.h"
#include "services/recording.h"
#include "state/modules.h"
#include "base/banned.h"

#define FIRST_ENTRIES 1024u
#define AT_ONCE 32u /* new nodes */

/* id is written last: an entry with one is whole. After that only its address may change, to 0: its module has gone, and the address
 * may mean something else. */
struct entry {
    _Atomic uintptr_t address;
    uint32_t parent;
    _Atomic uint32_t id; /* 0: empty */
};

struct hash {
    uint32_t mask;
    uint32_t used;
    _Atomic uint32_t generation; /* of the modules its addresses belong to */
    struct entry entries[];
};

struct cr_lock cr_tree_lock = CR_LOCK_INIT;
static struct hash *_Atomic tree;

/* The path of every node, by its number. Only the pages of nodes that are there are touched. */
#define PATHS_BYTES ((size_t)256 << 20)
static struct {
    uint32_t *of;
    uint32_t count; /* room for that many */
} paths;

static uint32_t find(const struct hash *hash, uint32_t parent, uintptr_t address, uint32_t path)
{
    for (uint32_t i = path & hash->mask;; i = (i + 1) & hash->mask) {
        const struct entry *entry = &hash->entries[i];
        uint32_t id = atomic_load_explicit(&entry->id, memory_order_acquire);
        if (!id)
            return 0;
        if (atomic_load_explicit(&entry->address, memory_order_relaxed) != address || entry->parent != parent)
            continue;
        atomic_thread_fence(
            memory_order_acquire); /* in a table that was replaced all may have become 0 meanwhile: then it is, too */
        return atomic_load_explicit(&entry->id, memory_order_relaxed);
    }
}

uint32_t cr_tree_path_of(uint32_t node) { return node < CR_MARKERS ? cr_tree_path_base(node) : paths.of[node]; }

static void insert(struct hash *hash, uint32_t parent, uintptr_t address, uint32_t id)
{
    uint32_t i = paths.of[id] & hash->mask;
    while (atomic_load_explicit(&hash->entries[i].id, memory_order_relaxed))
        i = (i + 1) & hash->mask;
    atomic_store_explicit(&hash->entries[i].address, address, memory_order_relaxed);
    hash->entries[i].parent = parent;
    atomic_store_explicit(&hash->entries[i].id, id, memory_order_release);
    hash->used++;
}

/* Frames in modules that have gone are not found again. */
static void forget_gone(struct hash *hash, uint32_t generation)
{
    for (uint32_t i = 0; i <= hash->mask; i++) {
        uint32_t id = hash->entries[i].id;
        if (id && !cr_modules_pc_stands(CR_SECTION_ITEM(struct cr_node, CR_SECTION_NODES, id)->pc))
            atomic_store_explicit(&hash->entries[i].address, 0, memory_order_relaxed);
    }
    atomic_store_explicit(&hash->generation, generation, memory_order_release);
}

static void copy(struct hash *to, const struct hash *from)
{
    for (uint32_t i = 0; i <= from->mask; i++)
        if (from->entries[i].id && from->entries[i].address)
            insert(to, from->entries[i].parent, from->entries[i].address, from->entries[i].id);
}

/* A table of the current generation with room for AT_ONCE more, or NULL. */
static struct hash *with_room(struct hash *old)
{
    uint32_t generation = atomic_load(&cr_modules_generation);
    if (old && old->generation != generation)
        forget_gone(old, generation);
    if (old && old->used + AT_ONCE <= old->mask / 4 * 3)
        return old;
    uint32_t entries = old ? (old->mask + 1) * 2 : FIRST_ENTRIES;
    struct hash *hash = cr_os_map(sizeof *hash + entries * sizeof(struct entry));
    if (!hash)
        return NULL;
    cr_os_expect_use(hash, sizeof *hash + entries * sizeof(struct entry)); /* at random: every page, and soon */
    hash->mask = entries - 1;
    hash->generation = generation;
    if (old)
        copy(hash, old);
    atomic_store_explicit(&tree, hash, memory_order_release);
    if (old) /* whoever is still reading finds less, at worst an empty table: then it looks again, under the lock */
        cr_os_done_with(old, sizeof *old + (old->mask + 1) * sizeof(struct entry));
    return hash;
}

/* Whether there is room for the paths of AT_ONCE more nodes. */
static bool room_for_paths(void)
{
    if (!paths.of) {
        size_t bytes = cr_os_modest(PATHS_BYTES);
        paths.of = cr_os_map(bytes);
        paths.count = paths.of ? (uint32_t)(bytes / sizeof *paths.of) : 0;
    }
    return atomic_load(&cr_recording->sections[CR_SECTION_NODES].used) + AT_ONCE <= paths.count;
}

/* Gives new nodes, one below the other, their numbers and places. How many: fewer than count if there is no memory. */
static uint32_t add(struct hash *hash, uint32_t parent, const uintptr_t *address, const uint32_t *path, uint32_t *node,
                    uint32_t count)
{
    uint32_t pc[AT_ONCE], known = 0, added = 0;
    while (known < count && (pc[known] = cr_modules_pc(address[known])) != CR_NO_ITEM)
        known++;
    cr_lock(&cr_recording_lock);
    for (uint32_t above = parent; added < known; above = node[added++]) {
        struct cr_node item = {above, pc[added]};
        node[added] = cr_recording_append_locked(CR_SECTION_NODES, &item, 1);
        if (node[added] == CR_NO_ITEM)
            break;
    }
    cr_unlock(&cr_recording_lock);
    for (uint32_t i = 0; i < added; i++) {
        paths.of[node[i]] = path[i];
        insert(hash, i ? node[i - 1] : parent, address[i], node[i]);
    }
    return added;
}

/* The same as cr_tree_chain where the first is not found without the lock. */
static CR_COLD void extend(uint32_t parent, const uintptr_t *address, const uint32_t *path, uint32_t *node,
                           uint32_t count)
{
    uint32_t done = 0, wanted;
    bool room = true;
    cr_lock(&cr_tree_lock);
    for (; room && done < count; done += wanted) {
        wanted = count - done < AT_ONCE ? count - done : AT_ONCE;
        struct hash *hash = room_for_paths() ? with_room(atomic_load(&tree)) : NULL;
        uint32_t i = 0; /* of these, another thread may have entered some */
        while (hash && i < wanted && (node[done + i] = find(hash, parent, address[done + i], path[done + i])))
            parent = node[done + i++];
        i += hash ? add(hash, parent, address + done + i, path + done + i, node + done + i, wanted - i) : 0;
        room = i == wanted;
        wanted = i;
        parent = i ? node[done + i - 1] : parent;
    }
    cr_unlock(&cr_tree_lock);
    for (; done < count; done++)
        node[done] = 0;
}

void cr_tree_prefetch(uint32_t path)
{
    const struct hash *hash = atomic_load_explicit(&tree, memory_order_acquire);
    if (CR_LIKELY(hash != NULL))
        __builtin_prefetch(&hash->entries[path & hash->mask]);
}

void cr_tree_chain(uint32_t parent, const uintptr_t *address, const uint32_t *path, uint32_t *node, uint32_t count)
{
    const struct hash *hash = atomic_load_explicit(&tree, memory_order_acquire);
    bool valid = hash && CR_LIKELY(atomic_load_explicit(&hash->generation, memory_order_acquire) ==
                                   atomic_load_explicit(&cr_modules_generation, memory_order_relaxed));
    uint32_t i = 0;
    while (valid && i < count && (node[i] = find(hash, parent, address[i], path[i])))
        parent = node[i++];
    if (CR_UNLIKELY(i < count))
        extend(parent, address + i, path + i, node + i, count - i);
}

uint32_t cr_tree_child(uint32_t parent, uintptr_t address)
{
    uint32_t path = cr_tree_path(cr_tree_path_of(parent), address), node;
    cr_tree_chain(parent, &address, &path, &node, 1);
    return node;
}
