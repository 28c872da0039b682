/* extents.h - which placed block (events/placement.h) an address lies in: live ones, and freed ones in quarantine.
 *
 * A byte per 16-byte granule says whether a block starts there. From an address, the nearest start before it is in the same 1 KiB cell,
 * 64 bytes that are searched by eights, or the cell has a hint: how far before it the block starts that reaches into it. Hints are written
 * for blocks that reach over a cell's start and never taken back; what they lead to is looked at. The sizes of live blocks are in the block
 * table, those of freed ones are kept here.
 *
 * Finding takes no lock but where two regions of the block table share an entry of its front. A block that another thread frees
 * meanwhile may be found as live, freed or not at all. */
#ifndef CR_STATE_EXTENTS_H
#define CR_STATE_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state/block_table.h"
#include "state/zones.h"

#define CR_EXTENT_MOST ((size_t)64 << 20) /* of larger blocks, addresses further in are not found */
#define CR_EXTENT_GRANULE_SHIFT 4
#define CR_EXTENT_GRANULES (1u << (CR_REGION_SHIFT - CR_EXTENT_GRANULE_SHIFT))
#define CR_EXTENT_CELL_BYTES ((uintptr_t)1 << 10)
#define CR_EXTENT_CELLS ((1u << CR_REGION_SHIFT) / (uint32_t)CR_EXTENT_CELL_BYTES)
#define CR_EXTENT_CELL_GRANULES ((uint32_t)CR_EXTENT_CELL_BYTES >> CR_EXTENT_GRANULE_SHIFT)

struct cr_extents {
    _Atomic uint32_t cell[CR_EXTENT_CELLS]; /* 1 + granules from the block's start to the cell's; 0: no hint */
    _Alignas(
        64) _Atomic uint8_t start[CR_EXTENT_GRANULES]; /* 1 + granules of the block that starts here; 0: none does */
    _Atomic uint32_t
        large[CR_EXTENT_CELLS]; /* granules, where that is CR_EXTENT_LARGE: one in a cell, which it reaches out of */
};
#define CR_EXTENT_LARGE 255u

/* The slow way of the functions below: the extents of an address's region; NULL: there are none, or (create) no memory, and nothing will be found. */
struct cr_extents *cr_extents_find(uintptr_t address, bool create);
void cr_extent_live_large(uintptr_t block, size_t size);

CR_HOT struct cr_extents *cr_extents_of(uintptr_t address, bool create)
{
    uint64_t number = (uint64_t)address >> CR_REGION_SHIFT;
    struct cr_region *region =
        atomic_load_explicit(&cr_region_front[number & (CR_FRONT_ENTRIES - 1)], memory_order_acquire);
    struct cr_extents *extents =
        region && region->number == number ? atomic_load_explicit(&region->extents, memory_order_acquire) : NULL;
    return CR_LIKELY(extents != NULL) ? extents : cr_extents_find(address, create);
}

CR_HOT _Atomic uint8_t *cr_extent_start(struct cr_extents *extents, uintptr_t block)
{
    return &extents->start[block >> CR_EXTENT_GRANULE_SHIFT & (CR_EXTENT_GRANULES - 1)];
}

/* A block came to be. From its being freed on it is known as freed. */
CR_HOT void cr_extent_live(uintptr_t block, size_t size)
{
    uint64_t granules = (size + 15) >> CR_EXTENT_GRANULE_SHIFT;
    bool within_cell = (block ^ (block + cr_zone_reach(size) - 1)) < CR_EXTENT_CELL_BYTES;
    struct cr_extents *extents = CR_LIKELY(within_cell) ? cr_extents_of(block, true) : NULL;
    if (CR_LIKELY(extents != NULL))
        atomic_store_explicit(cr_extent_start(extents, block), (uint8_t)(granules + 1), memory_order_relaxed);
    else
        cr_extent_live_large(block, size);
}

/* It is not even kept as a freed one any more. */
CR_HOT void cr_extent_gone(uintptr_t block)
{
    struct cr_extents *extents = cr_extents_of(block, false);
    if (CR_LIKELY(extents != NULL))
        atomic_store_explicit(cr_extent_start(extents, block), 0, memory_order_relaxed);
}

/* Asks for the memory that the next block at this address will touch. */
CR_HOT void cr_extent_prefetch(uintptr_t block)
{
    uint64_t number = (uint64_t)block >> CR_REGION_SHIFT;
    struct cr_region *region =
        atomic_load_explicit(&cr_region_front[number & (CR_FRONT_ENTRIES - 1)], memory_order_acquire);
    if (CR_LIKELY(region != NULL))
        __builtin_prefetch((const void *)cr_region_slot(region, block), 1);
}

enum cr_extent_state { CR_EXTENT_LIVE, CR_EXTENT_FREED };
struct cr_extent {
    uintptr_t block;
    size_t size; /* of a freed block: rounded up to 16 */
    enum cr_extent_state state;
    uint32_t record; /* of a live one */
};

/* The block at an address, red zones included; false: there is none. */
bool cr_extent_find(uintptr_t address, struct cr_extent *extent);

#endif
