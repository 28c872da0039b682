/* guard.c - see guard.h. A page of the space leads to its slot by a map of slot numbers; slots, map and space are reserved whole and
 * cost memory as far as they are used. */
#include "events/guard.h"

#include <stdatomic.h>
#include <string.h>

#include "services/recording.h"
#include "state/block_table.h"
#include "base/banned.h"

#define PIECE_BYTES ((size_t)8 << 20) /* prepared at once */
#define EDGE_BYTES 64u                /* on each side of a block that are filled and looked at, where they are open */
#define CLASSES 32u

enum { SLOT_NONE, SLOT_LIVE, SLOT_FREED };

struct slot {
    struct cr_guarded known;
    uint32_t page, pages; /* the slot's, without the closed one behind them */
    uint32_t next;        /* of the same class, freed after this one; 0: none */
    _Atomic uint8_t state;
};

struct cr_lock cr_guard_lock = CR_LOCK_INIT;
struct cr_os_range cr_guard_space;

static struct {
    bool below;
    size_t page_bytes;
    uint32_t page_count;     /* of the space */
    struct slot *slot;       /* number 0 is none */
    _Atomic uint32_t *owner; /* by page: the number of its slot */
    _Atomic uint64_t refused;
    size_t most; /* live blocks */
    /* under the lock */
    uint32_t slots;               /* numbers given out */
    uint32_t next_page, prepared; /* pages given out, and ready to be */
    size_t live;
    struct {
        uint32_t first, last; /* freed slots, oldest first */
    } freed[CLASSES];
} guard;

bool cr_guard_start(bool below, size_t space_bytes)
{
    guard.below = below;
    guard.page_bytes = cr_os_page_bytes();
    size_t bytes = cr_os_modest(space_bytes) & ~(PIECE_BYTES - 1);
    size_t pages = bytes / guard.page_bytes;
    void *space = bytes ? cr_os_reserve(bytes) : NULL;
    guard.slot = space ? cr_os_map((pages / 2 + 1) * sizeof *guard.slot) : NULL;
    guard.owner = guard.slot ? cr_os_map(pages * sizeof *guard.owner) : NULL;
    if (!guard.owner || cr_os_guard_prepare(space, PIECE_BYTES))
        return false;
    guard.prepared = (uint32_t)(PIECE_BYTES / guard.page_bytes);
    guard.page_count = (uint32_t)pages;
    guard.next_page = 1; /* the first page stays closed */
    guard.most = cr_os_guard_is_cheap ? SIZE_MAX : cr_os_guard_most();
    cr_guard_space = (struct cr_os_range){(uintptr_t)space, bytes};
    return true;
}

static uintptr_t page_address(uint32_t page) { return cr_guard_space.base + (uintptr_t)page * guard.page_bytes; }

/* ---- slots ---- */

/* The class of slots for blocks of so many pages: 1, 2, 3, 4, 6, 8, 12, 16 ... pages; how many are put into *room. */
static uint32_t class_of(size_t pages, uint32_t *room)
{
    uint32_t class = 0, have = 1;
    while (have < pages) {
        class ++;
        have = class < 3 ? class + 1 : (class & 1 ? 2u : 3u) << (class / 2 - (class & 1 ? 0 : 1));
    }
    *room = have;
    return class;
}

/* A slot of address space never used before, of the lock's holder; 0: used up. */
static uint32_t fresh_slot(uint32_t room)
{
    uint32_t from = guard.next_page, to = from + room + 1;
    if (to > guard.page_count)
        return 0;
    while (to > guard.prepared) {
        if (cr_os_guard_prepare((void *)page_address(guard.prepared), PIECE_BYTES))
            return 0;
        guard.prepared += (uint32_t)(PIECE_BYTES / guard.page_bytes);
    }
    guard.next_page = to;
    uint32_t number = ++guard.slots;
    guard.slot[number].page = from;
    guard.slot[number].pages = room;
    for (uint32_t page = from; page < to; page++)
        atomic_store_explicit(&guard.owner[page], number, memory_order_release);
    return number;
}

static uint32_t oldest_slot(uint32_t class)
{
    uint32_t number = guard.freed[class].first;
    if (number)
        guard.freed[class].first = guard.slot[number].next;
    return number;
}

static uint32_t take_slot(uint32_t class, uint32_t room)
{
    cr_lock(&cr_guard_lock);
    uint32_t number = 0;
    if (guard.live < guard.most) {
        number = fresh_slot(room);
        if (!number)
            number = oldest_slot(class);
        guard.live += number != 0;
    }
    cr_unlock(&cr_guard_lock);
    return number;
}

/* The block of a slot is gone; its pages are closed. usable: may be opened again. */
static void give_slot(uint32_t number, bool usable)
{
    struct slot *slot = &guard.slot[number];
    uint32_t room, class = class_of(slot->pages, &room);
    slot->next = 0;
    cr_lock(&cr_guard_lock);
    guard.live--;
    if (usable) {
        if (guard.freed[class].first)
            guard.slot[guard.freed[class].last].next = number;
        else
            guard.freed[class].first = number;
        guard.freed[class].last = number;
    }
    cr_unlock(&cr_guard_lock);
}

static uint32_t owner_of(uintptr_t address)
{
    return atomic_load_explicit(&guard.owner[(address - cr_guard_space.base) / guard.page_bytes], memory_order_acquire);
}

/* ---- where a block lies in its slot ---- */

/* The pages that are open for a block: those it touches, at the slot's end, or with --guard-below at its start. */
struct open_pages {
    uintptr_t from, to;
};

static struct open_pages open_pages(const struct slot *slot, size_t size)
{
    size_t bytes = ((size ? size : 1) + guard.page_bytes - 1) / guard.page_bytes * guard.page_bytes;
    uintptr_t from = page_address(slot->page), to = page_address(slot->page + slot->pages);
    return guard.below ? (struct open_pages){from, from + bytes} : (struct open_pages){to - bytes, to};
}

/* What lies open beside a block, as far as it is looked at. */
struct edges {
    char *front, *rear;
    size_t front_bytes, rear_bytes;
};

static struct edges edges(const struct slot *slot, uintptr_t block, size_t size)
{
    struct open_pages open = open_pages(slot, size);
    size_t front = block - open.from, rear = open.to - (block + size);
    front = front < EDGE_BYTES ? front : EDGE_BYTES;
    rear = rear < EDGE_BYTES ? rear : EDGE_BYTES;
    return (struct edges){(char *)block - front, (char *)block + size, front, rear};
}

static CR_COLD void refuse(const char *why)
{
    if (!atomic_fetch_add(&guard.refused, 1))
        cr_recording_say(why, "", 0);
}

void *cr_guard_new(size_t size, size_t align)
{
    if (size > CR_GUARD_MOST_BYTES || align > guard.page_bytes || !cr_guard_space.bytes)
        return NULL;
    uint32_t room, class = class_of((size + guard.page_bytes - 1) / guard.page_bytes, &room);
    uint32_t number = take_slot(class, room);
    if (!number) {
        refuse("no room for more guarded blocks at a time: others are not guarded");
        return NULL;
    }
    struct slot *slot = &guard.slot[number];
    struct open_pages open = open_pages(slot, size);
    if (cr_os_guard_open((void *)open.from, open.to - open.from)) {
        give_slot(number, true);
        refuse("the system gives no memory for more guarded blocks: others are not guarded");
        return NULL;
    }
    uintptr_t block =
        guard.below ? open.from : (open.to - (size ? size : 1)) & ~(uintptr_t)((align > 16 ? align : 16) - 1);
    slot->known = (struct cr_guarded){.block = block, .size = size, .live = true};
    atomic_store_explicit(&slot->state, SLOT_LIVE, memory_order_release);
    struct edges edge = edges(slot, block, size);
    cr_fill(edge.front, edge.front_bytes, CR_ZONE_BYTE);
    cr_fill(edge.rear, edge.rear_bytes, CR_ZONE_BYTE);
    return (void *)block;
}

/* ---- the end of a block ---- */

static bool holds(const char *at, size_t bytes, uint8_t byte)
{
    for (size_t i = 0; i < bytes; i++)
        if ((uint8_t)at[i] != byte)
            return false;
    return true;
}

bool cr_guard_is_whole(const void *block, size_t size)
{
    struct edges edge = edges(&guard.slot[owner_of((uintptr_t)block)], (uintptr_t)block, size);
    return holds(edge.front, edge.front_bytes, CR_ZONE_BYTE) && holds(edge.rear, edge.rear_bytes, CR_ZONE_BYTE);
}

struct cr_damage cr_guard_damage(const void *block, size_t size)
{
    struct edges edge = edges(&guard.slot[owner_of((uintptr_t)block)], (uintptr_t)block, size);
    int64_t behind = (int64_t)size, end = behind + (int64_t)edge.rear_bytes;
    struct cr_damage damage = cr_pattern_damage(block, behind, end, CR_ZONE_BYTE);
    return damage.bytes ? damage : cr_pattern_damage(block, -(int64_t)edge.front_bytes, 0, CR_ZONE_BYTE);
}

/* Closes the pages of a block; whether they may be opened again. */
static bool close_pages(const struct cr_guarded *guarded)
{
    struct slot *slot = &guard.slot[owner_of(guarded->block)];
    slot->known = *guarded;
    slot->known.live = false;
    atomic_store_explicit(&slot->state, SLOT_FREED, memory_order_release);
    struct open_pages open = open_pages(slot, guarded->size);
    return !cr_os_guard_close((void *)open.from, open.to - open.from);
}

void cr_guard_free(const struct cr_guarded *guarded) { give_slot(owner_of(guarded->block), close_pages(guarded)); }

void cr_guard_abandon(const struct cr_guarded *guarded) { close_pages(guarded); }

/* ---- finding ---- */

static bool known(uint32_t number, struct cr_guarded *guarded)
{
    const struct slot *slot = &guard.slot[number];
    uint8_t state = number ? atomic_load_explicit(&slot->state, memory_order_acquire) : SLOT_NONE;
    if (state == SLOT_NONE)
        return false;
    *guarded = slot->known;
    uint32_t index = guarded->live ? cr_block_peek(guarded->block) : 0;
    if (index) {
        const struct cr_record *record = cr_record(index);
        guarded->allocated = record->node;
        guarded->allocated_thread = record->thread;
        guarded->kind = cr_record_tag(record) & CR_TAG_KIND;
    }
    return true;
}

static uintptr_t distance(uintptr_t address, const struct cr_guarded *guarded)
{
    uintptr_t end = guarded->block + guarded->size;
    return address < guarded->block ? guarded->block - address : address < end ? 0 : address - end;
}

bool cr_guard_find(uintptr_t address, struct cr_guarded *guarded)
{
    uintptr_t offset = address - cr_guard_space.base;
    if (offset >= cr_guard_space.bytes)
        return false;
    uint32_t page = (uint32_t)(offset / guard.page_bytes), number = owner_of(address);
    bool found = known(number, guarded);
    /* A closed page between two slots is in front of the one as well as behind the other. */
    bool between = !number || page == guard.slot[number].page + guard.slot[number].pages;
    struct cr_guarded next;
    if (between && page + 1 < guard.page_count && known(owner_of(page_address(page + 1)), &next) &&
        (!found || distance(address, &next) < distance(address, guarded))) {
        *guarded = next;
        found = true;
    }
    return found;
}

uint64_t cr_guard_refused(void) { return atomic_load(&guard.refused); }
