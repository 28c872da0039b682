/* extents.c - see extents.h. */
#include "state/extents.h"

#include "services/arena.h"
#include "state/block_table.h"
#include "state/zones.h"
#include "base/banned.h"

#define CELL_BYTES ((uintptr_t)1 << CR_EXTENT_CELL_SHIFT)
#define CELLS (1u << (CR_REGION_SHIFT - CR_EXTENT_CELL_SHIFT))
#define GRANULE_SHIFT 4
#define GRANULES (1u << (CR_REGION_SHIFT - GRANULE_SHIFT))
#define CELL_GRANULES (1u << (CR_EXTENT_CELL_SHIFT - GRANULE_SHIFT))

struct cr_extents {
    _Atomic uint32_t cell[CELLS];     /* 1 + granules from the block's start to the cell's; 0: no hint */
    _Atomic uint32_t freed[GRANULES]; /* 1 + granules of the freed block that starts here; 0: none does */
};

static struct cr_region *region_of(uintptr_t address)
{
    uint64_t number = (uint64_t)address >> CR_REGION_SHIFT;
    struct cr_region *region =
        atomic_load_explicit(&cr_region_front[number & (CR_FRONT_ENTRIES - 1)], memory_order_acquire);
    if (!region || CR_LIKELY(region->number == number)) /* what is not there was never entered */
        return region;
    return cr_region_find(number, false);
}

/* The extents of a region, made if there are none. NULL: no memory, and nothing will be found. */
static struct cr_extents *extents_of(uintptr_t address)
{
    uint64_t number = (uint64_t)address >> CR_REGION_SHIFT;
    struct cr_region *region = region_of(address);
    if (!region)
        region = cr_region_find(number, true);
    if (!region)
        return NULL;
    struct cr_extents *extents = atomic_load_explicit(&region->extents, memory_order_acquire);
    if (CR_LIKELY(extents != NULL))
        return extents;
    struct cr_extents *fresh = cr_arena_alloc(sizeof *fresh, 64);
    return !fresh || atomic_compare_exchange_strong(&region->extents, &extents, fresh) ? fresh : extents;
}

static uint32_t granule(uintptr_t address) { return address >> GRANULE_SHIFT & (GRANULES - 1); }
static uint32_t cell(uintptr_t address) { return address >> CR_EXTENT_CELL_SHIFT & (CELLS - 1); }

#define LOAD(place) atomic_load_explicit(&(place), memory_order_relaxed)
#define STORE(place, value) atomic_store_explicit(&(place), (value), memory_order_relaxed)

void cr_extent_live(uintptr_t block, size_t size)
{
    uintptr_t end = block + cr_zone_reach(size < CR_EXTENT_MOST ? size : CR_EXTENT_MOST);
    for (uintptr_t at = (block + CELL_BYTES - 1) & ~(CELL_BYTES - 1); at < end; at += CELL_BYTES) {
        struct cr_extents *extents = extents_of(at);
        if (extents)
            STORE(extents->cell[cell(at)], (uint32_t)((at - block) >> GRANULE_SHIFT) + 1);
    }
}

void cr_extent_freed(uintptr_t block, size_t size)
{
    struct cr_extents *extents = extents_of(block);
    uint64_t granules = (size + 15) >> GRANULE_SHIFT;
    if (extents)
        STORE(extents->freed[granule(block)], granules < UINT32_MAX ? (uint32_t)granules + 1 : UINT32_MAX);
}

void cr_extent_gone(uintptr_t block)
{
    struct cr_extents *extents = extents_of(block);
    if (extents)
        STORE(extents->freed[granule(block)], 0);
}

void cr_extent_prefetch(uintptr_t block)
{
    struct cr_region *region = region_of(block);
    struct cr_extents *extents = region ? atomic_load_explicit(&region->extents, memory_order_acquire) : NULL;
    if (!extents)
        return;
    __builtin_prefetch((const void *)cr_region_slot(region, block), 1);
    __builtin_prefetch((const void *)&extents->freed[granule(block)], 1);
}

/* ---- finding ---- */

/* The block that starts at an address of a region, if one does. */
static struct cr_extent starting_at(struct cr_region *region, uintptr_t address)
{
    struct cr_extent extent = {CR_EXTENT_NONE, address, 0, 0};
    uint32_t index = atomic_load_explicit(cr_region_slot(region, address), memory_order_acquire);
    if (cr_slot_is_of(index, address)) {
        const struct cr_record *record = cr_record(index);
        extent.record = index;
        extent.size = cr_record_size(record);
        if (cr_record_tag(record) & CR_TAG_PLACED)
            extent.state = CR_EXTENT_LIVE;
        return extent;
    }
    struct cr_extents *extents = atomic_load_explicit(&region->extents, memory_order_acquire);
    uint32_t freed = extents ? LOAD(extents->freed[granule(address)]) : 0;
    if (freed) {
        extent.state = CR_EXTENT_FREED;
        extent.size = (size_t)(freed - 1) << GRANULE_SHIFT;
    }
    return extent;
}

static bool starts_here(struct cr_region *region, struct cr_extents *extents, uintptr_t address)
{
    return cr_slot_is_of(LOAD(*cr_region_slot(region, address)), address) ||
           (extents && LOAD(extents->freed[granule(address)]));
}

/* The nearest start of a block at or before an address, if it is in the same cell or the cell has a hint. */
static struct cr_extent nearest(struct cr_region *region, uintptr_t address)
{
    struct cr_extents *extents = atomic_load_explicit(&region->extents, memory_order_acquire);
    uintptr_t at = address & ~(((uintptr_t)1 << GRANULE_SHIFT) - 1);
    for (uint32_t left = granule(address) % CELL_GRANULES + 1; left; left--, at -= (uintptr_t)1 << GRANULE_SHIFT)
        if (starts_here(region, extents, at))
            return starting_at(region, at);
    uint32_t hint = extents ? LOAD(extents->cell[cell(address)]) : 0;
    if (!hint)
        return (struct cr_extent){CR_EXTENT_NONE, 0, 0, 0};
    uintptr_t block = (address & ~(CELL_BYTES - 1)) - ((uintptr_t)(hint - 1) << GRANULE_SHIFT);
    region = region_of(block);
    return region ? starting_at(region, block) : (struct cr_extent){CR_EXTENT_NONE, 0, 0, 0};
}

struct cr_extent cr_extent_find(uintptr_t address)
{
    struct cr_region *region = region_of(address);
    if (!region)
        return (struct cr_extent){CR_EXTENT_NONE, 0, 0, 0};
    struct cr_extent extent = nearest(region, address);
    if (extent.state && address - extent.block < cr_zone_reach(extent.size))
        return extent;
    region = region_of(address + CR_ZONE_FRONT); /* in the front zone of the next one? */
    if (region) {
        extent = starting_at(region, (address + CR_ZONE_FRONT) & ~(uintptr_t)15);
        if (extent.state && extent.block > address)
            return extent;
    }
    extent.state = CR_EXTENT_NONE;
    return extent;
}
