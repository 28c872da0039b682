/* sites.c - see sites.h. */
#include "state/sites.h"

#include <string.h>

#include "platform/platform.h"
#include "state/call_tree.h"
#include "state/modules.h"
#include "base/counter.h"
#include "base/banned.h"

#define FIRST_ENTRIES 256u

static uint32_t find(const struct cr_leaves *leaves, uint32_t hash, uint32_t parent, uintptr_t address)
{
    for (uint32_t i = hash & leaves->mask;; i = (i + 1) & leaves->mask) {
        uint64_t entry = leaves->entries[i];
        if (!entry)
            return 0;
        const struct cr_site *site = cr_site((uint32_t)entry);
        if (entry >> 32 == hash && site->address == address && site->parent == parent)
            return (uint32_t)entry;
    }
}

static void insert(struct cr_leaves *leaves, uint64_t entry)
{
    uint32_t i = (uint32_t)(entry >> 32) & leaves->mask;
    while (leaves->entries[i])
        i = (i + 1) & leaves->mask;
    leaves->entries[i] = entry;
    leaves->used++;
}

static bool grow(struct cr_leaves *leaves)
{
    struct cr_leaves old = *leaves;
    uint32_t count = old.entries ? (old.mask + 1) * 2 : FIRST_ENTRIES;
    uint64_t *entries = cr_os_map(count * sizeof *entries);
    if (!entries)
        return false;
    *leaves = (struct cr_leaves){.entries = entries, .mask = count - 1, .generation = old.generation};
    if (!old.entries)
        return true;
    for (uint32_t i = 0; i <= old.mask; i++)
        if (old.entries[i])
            insert(leaves, old.entries[i]);
    cr_os_unmap(old.entries, (old.mask + 1) * sizeof *old.entries);
    return true;
}

/* A module has gone: addresses may mean something else from now on. Items of places that still stand are found again. */
static void renew(struct cr_leaves *leaves, uint32_t generation)
{
    struct cr_leaves old = *leaves;
    *leaves = (struct cr_leaves){.generation = generation};
    if (!old.entries)
        return;
    leaves->entries = cr_os_map((old.mask + 1) * sizeof *old.entries);
    if (leaves->entries) {
        leaves->mask = old.mask;
        for (uint32_t i = 0; i <= old.mask; i++)
            if (old.entries[i] && cr_modules_pc_stands(cr_site((uint32_t)old.entries[i])->pc))
                insert(leaves, old.entries[i]);
    }
    cr_os_unmap(old.entries, (old.mask + 1) * sizeof *old.entries);
}

static uint32_t add(struct cr_leaves *leaves, uint32_t hash, const struct cr_site *site)
{
    if (site->pc == CR_NO_ITEM || ((!leaves->entries || leaves->used > leaves->mask / 4 * 3) && !grow(leaves)))
        return 0;
    uint32_t item = cr_recording_append_site(site);
    if (item == CR_NO_ITEM)
        return 0;
    insert(leaves, (uint64_t)hash << 32 | item);
    return item;
}

uint32_t cr_site_find(struct cr_leaves *leaves, uint32_t slot, uint32_t parent, uintptr_t address)
{
    uint32_t hash = cr_tree_hash(parent, address), generation = CR_LOAD(cr_modules_generation);
    if (CR_UNLIKELY(leaves->generation != generation))
        renew(leaves, generation);
    uint32_t item = CR_LIKELY(leaves->entries != NULL) ? find(leaves, hash, parent, address) : 0;
    if (CR_LIKELY(item != 0))
        return item;
    struct cr_site site = {.address = address, .parent = parent, .pc = cr_modules_pc(address), .slot = slot};
    return add(leaves, hash, &site);
}

/* The same by the item of PCS, for a place in a module that has gone: its address means something else by now, or nothing. */
static CR_COLD uint32_t find_gone(struct cr_leaves *leaves, uint32_t slot, const struct cr_site *gone)
{
    uint32_t hash = cr_tree_hash(gone->parent, gone->pc);
    uint32_t item = leaves->entries ? find(leaves, hash, gone->parent, gone->address) : 0;
    struct cr_site site = {.address = gone->address, .parent = gone->parent, .pc = gone->pc, .slot = slot};
    return item ? item : add(leaves, hash, &site);
}

uint32_t cr_site_of_other(struct cr_leaves *leaves, uint32_t slot, uint32_t foreign)
{
    const struct cr_site *other = cr_site(foreign);
    uint32_t item = cr_site_find(leaves, slot, other->parent, other->address);
    return CR_LIKELY(cr_site(item)->pc == other->pc) ? item : find_gone(leaves, slot, other);
}
