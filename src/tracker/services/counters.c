/* counters.c - the recording's counters (recording.h): slots, the peak, the budget for contents. No locks: every counter of a slot
 * has one writer, which uses plain atomic stores. */
#include <string.h>

#include "services/recording.h"
#include "base/counter.h"
#include "base/banned.h"

#define STEP_MIN_BYTES 1024
#define STEP_SHARE 1024 /* of the peak, all threads together */

_Atomic int64_t cr_recording_step = STEP_MIN_BYTES;
_Atomic uint64_t cr_recording_peak_awaited = UINT64_MAX;

/* ---- slots ---- */

void cr_recording_each_slot(void (*visit)(void *context, struct cr_slot *slot), void *context)
{
    uint32_t count =
        (uint32_t)atomic_load_explicit(&cr_recording->sections[CR_SECTION_THREADS].used, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        visit(context, cr_slot(i));
}

static void add_to_totals(void *context, struct cr_slot *slot)
{
    struct cr_totals *totals = context;
    totals->allocations += CR_LOAD(slot->allocations);
    totals->frees += CR_LOAD(slot->frees);
    totals->reallocations += CR_LOAD(slot->reallocations);
    totals->bytes_allocated += CR_LOAD(slot->bytes_allocated);
    totals->bytes_freed += CR_LOAD(slot->bytes_freed);
    totals->untracked_frees += CR_LOAD(slot->untracked_frees);
}

struct cr_totals cr_recording_totals(void)
{
    struct cr_totals totals = {0};
    cr_recording_each_slot(add_to_totals, &totals);
    totals.live_bytes = cr_recording->inherited_bytes + totals.bytes_allocated - totals.bytes_freed;
    totals.live_blocks = cr_recording->inherited_blocks + totals.allocations - totals.frees;
    return totals;
}

/* ---- the peak ---- */

/* Whether this is a new peak. */
static bool raise_peak(int64_t bytes, int64_t blocks)
{
    struct cr_header *header = cr_recording;
    uint64_t peak = CR_LOAD(header->peak_bytes);
    while (bytes > 0 && (uint64_t)bytes > peak)
        if (atomic_compare_exchange_weak(&header->peak_bytes, &peak, (uint64_t)bytes)) {
            CR_STORE(header->peak_blocks, blocks > 0 ? (uint64_t)blocks : 0);
            uint64_t threads = CR_LOAD(header->threads);
            uint64_t step = (uint64_t)bytes / STEP_SHARE / (threads ? threads : 1);
            CR_STORE(cr_recording_step, step < STEP_MIN_BYTES ? STEP_MIN_BYTES : (int64_t)step);
            return true;
        }
    return false;
}

/* ---- extremes between two points of the timeline ---- */

static void widen_span(int64_t low, int64_t high)
{
    struct cr_timeline *timeline = CR_SECTION_ITEM(struct cr_timeline, CR_SECTION_TIMELINE, 0);
    int64_t lowest = CR_LOAD(timeline->low_bytes), highest = CR_LOAD(timeline->high_bytes);
    while (low < lowest && !atomic_compare_exchange_weak(&timeline->low_bytes, &lowest, low))
        ;
    while (high > highest && !atomic_compare_exchange_weak(&timeline->high_bytes, &highest, high))
        ;
}

/* Hands in; whether that found a new peak. */
static bool hand_in(struct cr_slot *slot)
{
    struct cr_header *header = cr_recording;
    int64_t live_bytes = (int64_t)(CR_LOAD(slot->bytes_allocated) - CR_LOAD(slot->bytes_freed));
    int64_t live_blocks = (int64_t)(CR_LOAD(slot->allocations) - CR_LOAD(slot->frees));
    int64_t handed_bytes = CR_LOAD(slot->handed_bytes), handed_blocks = CR_LOAD(slot->handed_blocks);

    int64_t bytes = atomic_fetch_add(&header->shared_bytes, live_bytes - handed_bytes);
    int64_t blocks = atomic_fetch_add(&header->shared_blocks, live_blocks - handed_blocks);
    bool raised = raise_peak(bytes + CR_LOAD(slot->high_bytes) - handed_bytes,
                             blocks + CR_LOAD(slot->high_blocks) - handed_blocks);

    widen_span(bytes + CR_LOAD(slot->low_bytes) - handed_bytes, bytes + CR_LOAD(slot->high_bytes) - handed_bytes);

    CR_STORE(slot->handed_bytes, live_bytes);
    CR_STORE(slot->handed_blocks, live_blocks);
    CR_STORE(slot->high_bytes, live_bytes);
    CR_STORE(slot->high_blocks, live_blocks);
    CR_STORE(slot->low_bytes, live_bytes);
    return raised;
}

void cr_recording_hand_in(struct cr_slot *slot) { hand_in(slot); }

bool cr_recording_rise(struct cr_slot *slot)
{
    struct cr_header *header = cr_recording;
    int64_t moved = CR_LOAD(slot->high_bytes) - CR_LOAD(slot->handed_bytes);
    bool far = moved > CR_LOAD(cr_recording_step);
    bool alone = CR_LOAD(header->threads) <= 1;
    if (alone &&
        CR_LOAD(header->shared_bytes) + moved > (int64_t)CR_LOAD(header->peak_bytes)) /* its high is the process's */
        CR_ADD(header->peak_epoch, 1);
    if (CR_LIKELY(!far))
        return false;
    if (hand_in(slot) && !alone)
        atomic_fetch_add_explicit(&header->peak_epoch, 1, memory_order_relaxed);
    return CR_LOAD(header->peak_bytes) >= CR_LOAD(cr_recording_peak_awaited);
}

/* ---- the budget for contents ---- */

bool cr_recording_claim(struct cr_budget *budget, uint64_t bytes)
{
    if (atomic_fetch_sub(&budget->files_left, 1) > 0) {
        if (atomic_fetch_sub(&budget->bytes_left, (int64_t)bytes) >= (int64_t)bytes)
            return true;
        atomic_fetch_add(&budget->bytes_left, (int64_t)bytes);
    }
    atomic_fetch_add(&budget->files_left, 1);
    return false;
}
