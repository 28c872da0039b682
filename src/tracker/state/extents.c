/* extents.c - see extents.h. */
#include "state/extents.h"

#include "services/arena.h"
#include "base/counter.h"
#include "base/banned.h"

CR_HOT struct cr_region *region_of(uintptr_t address)
{
    uint64_t number = (uint64_t)address >> CR_REGION_SHIFT;
    struct cr_region *region =
        atomic_load_explicit(&cr_region_front[number & (CR_FRONT_ENTRIES - 1)], memory_order_acquire);
    if (!region || CR_LIKELY(region->number == number)) /* what is not there was never entered */
        return region;
    return cr_region_find(number, false);
}

static struct cr_extents *extents_in(struct cr_region *region)
{
    return region ? atomic_load_explicit(&region->extents, memory_order_acquire) : NULL;
}

struct cr_extents *cr_extents_find(uintptr_t address, bool create)
{
    struct cr_region *region = create ? cr_region_find((uint64_t)address >> CR_REGION_SHIFT, true) : region_of(address);
    struct cr_extents *extents = extents_in(region), *fresh;
    if (!region || extents || !create)
        return extents;
    fresh = cr_arena_alloc(sizeof *fresh, 64);
    return !fresh || atomic_compare_exchange_strong(&region->extents, &extents, fresh) ? fresh : extents;
}

static uint32_t granule(uintptr_t address) { return address >> CR_EXTENT_GRANULE_SHIFT & (CR_EXTENT_GRANULES - 1); }
static uint32_t cell(uintptr_t address) { return (uint32_t)(address / CR_EXTENT_CELL_BYTES) & (CR_EXTENT_CELLS - 1); }

/* A block that reaches into other cells, or is the first in its region. */
void cr_extent_live_large(uintptr_t block, size_t size)
{
    struct cr_extents *extents = cr_extents_of(block, true);
    uint64_t granules = (size + 15) >> CR_EXTENT_GRANULE_SHIFT;
    if (!extents)
        return;
    if (granules + 1 >= CR_EXTENT_LARGE) {
        CR_STORE(extents->large[cell(block)], granules < UINT32_MAX ? (uint32_t)granules : UINT32_MAX);
        granules = CR_EXTENT_LARGE - 1;
    }
    CR_STORE(*cr_extent_start(extents, block), (uint8_t)(granules + 1));
    uintptr_t end = block + cr_zone_reach(size < CR_EXTENT_MOST ? size : CR_EXTENT_MOST);
    uintptr_t at = (block + CR_EXTENT_CELL_BYTES - 1) & ~(CR_EXTENT_CELL_BYTES - 1);
    for (; at < end; at += CR_EXTENT_CELL_BYTES)
        if ((extents = cr_extents_of(at, true)))
            CR_STORE(extents->cell[cell(at)], (uint32_t)((at - block) >> CR_EXTENT_GRANULE_SHIFT) + 1);
}

/* The block that starts at an address of a region, if one does. Structures are filled by field: one that is returned is copied in pieces of
 * other sizes than it was written in, for which the processor waits longer than for all the rest. */
CR_HOT bool starting_at(struct cr_region *region, struct cr_extents *extents, uintptr_t address,
                        struct cr_extent *extent)
{
    uint32_t at = granule(address), start = CR_LOAD(extents->start[at]);
    uint32_t index = start ? atomic_load_explicit(cr_region_slot(region, address), memory_order_acquire) : 0;
    extent->block = address;
    if (cr_slot_is_of(index, address)) {
        uint64_t size_tag = cr_record(index)->size_tag;
        extent->record = index;
        extent->size = size_tag >> 16;
        extent->state = CR_EXTENT_LIVE;
        return size_tag & CR_TAG_PLACED;
    }
    size_t granules = start < CR_EXTENT_LARGE ? start - 1 : CR_LOAD(extents->large[cell(address)]);
    extent->size = granules << CR_EXTENT_GRANULE_SHIFT;
    extent->state = CR_EXTENT_FREED;
    return cr_slot_is_freed(index);
}

#define WORD 8u                                          /* granules looked at together */
typedef uint64_t __attribute__((may_alias)) start_bytes; /* of so many */

/* The last granule of a cell at which a block starts, from `at` down; more than `at`: none. */
CR_HOT uint32_t last_start(const struct cr_extents *extents, uint32_t at)
{
    const start_bytes *word = (const start_bytes *)(const void *)&extents->start[at & ~(CR_EXTENT_CELL_GRANULES - 1)];
    uint32_t i = at % CR_EXTENT_CELL_GRANULES / WORD;
    uint64_t starts = __atomic_load_n(&word[i], __ATOMIC_RELAXED) & UINT64_MAX >> (WORD - 1 - at % WORD) * 8;
    while (!starts && i)
        starts = __atomic_load_n(&word[--i], __ATOMIC_RELAXED);
    uint32_t highest =
        starts ? (63u - (uint32_t)__builtin_clzll(starts)) / 8 : CR_EXTENT_CELL_GRANULES; /* little-endian */
    return (at & ~(CR_EXTENT_CELL_GRANULES - 1)) + i * WORD + highest;
}

/* The nearest start of a block at or before an address, if it is in the same cell or the cell has a hint. */
CR_HOT bool nearest(uintptr_t address, struct cr_extent *extent)
{
    struct cr_region *region = region_of(address);
    struct cr_extents *extents = extents_in(region);
    if (!extents)
        return false;
    uint32_t from = granule(address), at = last_start(extents, from);
    uintptr_t block = (address & ~(uintptr_t)15) - ((uintptr_t)(from - at) << CR_EXTENT_GRANULE_SHIFT);
    if (at > from) {
        uint32_t back = CR_LOAD(extents->cell[cell(address)]);
        if (!back)
            return false;
        block = (address & ~(CR_EXTENT_CELL_BYTES - 1)) - ((uintptr_t)(back - 1) << CR_EXTENT_GRANULE_SHIFT);
        region = region_of(block);
        extents = extents_in(region);
    }
    return extents && starting_at(region, extents, block, extent) && address - block < cr_zone_reach(extent->size);
}

/* The block in whose front zone an address is. */
static bool in_front(uintptr_t address, struct cr_extent *extent)
{
    uintptr_t block = (address + CR_ZONE_FRONT) & ~(uintptr_t)15;
    struct cr_region *region = region_of(block);
    struct cr_extents *extents = extents_in(region);
    return extents && block > address && starting_at(region, extents, block, extent);
}

bool cr_extent_find(uintptr_t address, struct cr_extent *extent)
{
    return CR_LIKELY(nearest(address, extent)) || in_front(address, extent);
}
