/* placement.c - see placement.h. */
#include "events/placement.h"

#include <errno.h>
#include <string.h>

#include "events/errors.h"
#include "events/guard.h"
#include "events/placed_errors.h"
#include "events/quarantine.h"
#include "events/recorder.h"
#include "services/options.h"
#include "services/recording.h"
#include "state/extents.h"
#include "state/zones.h"
#include "base/banned.h"

struct cr_os_range cr_placed;
static const struct cr_heap *heap;

void cr_placement_start(const struct cr_heap *allocator)
{
    heap = allocator;
    if (cr_options.guard_every && !cr_guard_start(cr_options.guard_below, CR_GUARD_SPACE_BYTES)) {
        cr_recording_say("no address space for guarded blocks: none is guarded", "", 0);
        cr_options.guard_every = 0;
    }
    cr_placed = cr_guard_space;
    if (cr_options.check) {
        cr_quarantine_start(cr_options.quarantine, (struct cr_quarantine_ways){heap->release, cr_placed_tell_freed});
        cr_placed = (struct cr_os_range){0, UINTPTR_MAX};
    }
    if (cr_options.check || cr_options.guard_every)
        cr_threads_until_placed = 1; /* draws the first number, and counts for nothing else */
}

/* ---- a new block ---- */

/* splitmix64, seeded by what differs between threads and runs. */
static uint64_t draw(struct cr_thread *thread)
{
    if (!thread->random)
        thread->random = cr_os_now_ns() ^ (uint64_t)(uintptr_t)thread << 20 ^ (uint64_t)thread->number << 48;
    uint64_t x = thread->random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Allocations to the next one that is guarded: evenly from 1 to 2n - 1, n on average, so that none is out of reach. */
static uint64_t until_next(struct cr_thread *thread)
{
    return cr_options.guard_every == 1 ? 1 : 1 + draw(thread) % (2 * cr_options.guard_every - 1);
}

/* Whether this block is to be guarded; sets when to be asked again. */
static bool guard_is_due(struct cr_thread *thread)
{
    bool first = !thread->until_guarded;
    thread->until_placed = 1;
    if (!cr_options.guard_every)
        return false;
    if (first)
        thread->until_guarded = until_next(thread);
    if (!cr_options.check) { /* it was not asked before it was due, but for the first time */
        bool due = !first || thread->until_guarded == 1;
        thread->until_guarded = thread->until_placed = until_next(thread);
        return due;
    }
    if (--thread->until_guarded)
        return false;
    thread->until_guarded = until_next(thread);
    return true;
}

static void *place_between_zones(struct cr_thread *thread, size_t size, size_t align, bool zeroed)
{
    void *kept = !zeroed && align <= 16 ? cr_quarantine_kept(thread, size) : NULL;
    if (kept)
        return cr_zone_lay((char *)kept - CR_ZONE_FRONT, size, align);
    size_t total = cr_zone_total(size, align);
    void *base = total ? heap->allocate(total, zeroed) : NULL;
    return base ? cr_zone_lay(base, size, align) : NULL;
}

/* A guarded block's place in the block table is mostly on a page that nobody has touched. Reading it first, as the recorder does, costs a
 * page fault more than writing. */
static void *new_guarded(size_t size, size_t align)
{
    void *block = cr_guard_new(size, align);
    _Atomic uint32_t *slot = block ? cr_block_slot((uintptr_t)block, true) : NULL;
    if (slot)
        atomic_fetch_or_explicit(slot, 0, memory_order_relaxed);
    return block;
}

void *cr_place(struct cr_thread *thread, size_t size, size_t align, bool zeroed, unsigned *tag)
{
    void *block = guard_is_due(thread) ? new_guarded(size, align) : NULL;
    if (!block && cr_options.check)
        block = place_between_zones(thread, size, align, zeroed);
    if (!block)
        return NULL;
    if (cr_options.check) {
        cr_extent_live((uintptr_t)block, size);
        if (!zeroed && cr_options.fill != CR_FILL_NOTHING)
            cr_fill(block, size, (uint8_t)cr_options.fill);
    }
    *tag |= CR_TAG_PLACED;
    return block;
}

static struct cr_guarded as_guarded(const struct cr_placed_block *placed)
{
    return (struct cr_guarded){
        .block = (uintptr_t)placed->block,
        .size = placed->size,
        .allocated = placed->allocated,
        .allocated_thread = placed->thread,
        .kind = placed->tag & CR_TAG_KIND,
        .live = true,
    };
}

/* Without checks and quarantine. locks: they may be taken. */
static void give_back(const struct cr_placed_block *placed, bool locks)
{
    cr_extent_gone((uintptr_t)placed->block);
    if (cr_guard_is_guarded(placed->block)) {
        struct cr_guarded guarded = as_guarded(placed);
        (locks ? cr_guard_free : cr_guard_abandon)(&guarded);
        return;
    }
    void *base = cr_zone_base(placed->block, placed->size);
    if (base)
        heap->release(base);
}

static bool is_record_of(uint32_t index, const void *block)
{
    return index && atomic_load_explicit(&cr_record(index)->address, memory_order_relaxed) == (uintptr_t)block;
}

bool cr_placed_is_known(const struct cr_thread *thread, void *block, size_t size, unsigned tag)
{
    if (CR_LIKELY(is_record_of(thread->last_record, block)) || cr_block_peek((uintptr_t)block))
        return true;
    struct cr_placed_block placed = {block, size, tag, 0, 0};
    give_back(&placed, true);
    return false;
}

/* ---- a block that is there ---- */

bool cr_placed_find(const void *block, struct cr_placed_block *found)
{
    uint32_t index = block ? cr_block_peek((uintptr_t)block) : 0;
    if (!index)
        return false;
    const struct cr_record *record = cr_record(index);
    uint64_t size_tag = record->size_tag;
    found->block = (void *)(uintptr_t)block;
    found->size = size_tag >> 16;
    found->tag = size_tag & 0xff;
    found->allocated = record->node;
    found->thread = record->thread;
    return size_tag & CR_TAG_PLACED;
}

bool cr_placed_check(struct cr_thread *thread, const struct cr_placed_block *placed, const struct cr_placed_call *call)
{
    bool whole = cr_guard_is_guarded(placed->block) ? cr_guard_is_whole(placed->block, placed->size)
                                                    : cr_zone_is_whole(placed->block, placed->size);
    if (CR_LIKELY(whole))
        return true;
    cr_placed_tell_live(thread, placed, call);
    return false;
}

static CR_COLD void retire_guarded(const struct cr_thread *thread, const struct cr_placed_block *placed, uint32_t site)
{
    struct cr_guarded guarded = as_guarded(placed);
    cr_extent_gone((uintptr_t)placed->block);
    guarded.freed = site;
    guarded.freed_thread = thread->number;
    cr_guard_free(&guarded);
}

void cr_placed_retire(struct cr_thread *thread, const struct cr_placed_block *placed,
                      const struct cr_unwind_start *start, bool whole)
{
    uint32_t site = cr_site_here(thread, start);
    cr_freed_tell_site(thread->freed, (uintptr_t)placed->block, site);
    if (cr_guard_is_guarded(placed->block)) {
        retire_guarded(thread, placed, site);
        return;
    }
    unsigned look = CR_FREED_LOOK_INSIDE | (whole ? CR_FREED_LOOK_AROUND : 0);
    cr_quarantine_add(thread, (uintptr_t)placed->block, cr_freed_sized(placed->size, look, placed->tag & CR_TAG_KIND),
                      placed->allocated, placed->thread, site);
}

bool cr_placed_may_ask(const void *block)
{
    uint64_t number = (uintptr_t)block >> CR_REGION_SHIFT;
    const struct cr_region *region =
        atomic_load_explicit(&cr_region_front[number & (CR_FRONT_ENTRIES - 1)], memory_order_acquire);
    if (CR_LIKELY(region && region->number == number && !((uintptr_t)block & 15)))
        return true;
    if (!cr_lock_soon(&cr_regions_lock))
        return false;
    cr_unlock(&cr_regions_lock);
    return true;
}

bool cr_placed_free_unseen(void *block)
{
    struct cr_placed_block placed;
    if (!cr_placed_may_ask(block))
        return true;
    if (!cr_placed_find(block, &placed))
        return false;
    uint32_t index = cr_block_take((uintptr_t)block, 0);
    if (!index)
        return true; /* another thread was faster, which is that thread's affair */
    cr_record(index)->size_tag &= ~(uint64_t)CR_TAG_PLACED; /* goes on counting as live, and leads nowhere */
    give_back(&placed, false);
    return true;
}

/* ---- all of them ---- */

static void check_record(void *thread, struct cr_record *record)
{
    struct cr_placed_block placed;
    uint64_t address = atomic_load_explicit(&record->address, memory_order_relaxed);
    if (!address || !(cr_record_tag(record) & CR_TAG_PLACED) || !cr_placed_find((void *)(uintptr_t)address, &placed))
        return;
    /* What is given back at once may be unmapped by another thread while it is looked at. */
    bool may_go = atomic_load(&cr_recording->threads) > 1 &&
                  (cr_guard_is_guarded(placed.block) || placed.size > cr_options.quarantine / 2);
    if (!may_go)
        cr_placed_check(thread, &placed, &(struct cr_placed_call){"", NULL});
}

void cr_placement_check_all(struct cr_thread *thread)
{
    if (!cr_placed.bytes)
        return;
    cr_block_each(check_record, thread);
    if (cr_options.check)
        cr_quarantine_check(thread);
}
