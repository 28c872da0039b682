/* timeline.c - see timeline.h. One thread at a time takes a point: the one that finds `taking` free; the others go on. So a signal
 * handler never waits for the thread it interrupted. */
#include "state/timeline.h"

#include <time.h>

#include "platform/platform.h"
#include "state/series.h"
#include "base/counter.h"
#include "base/banned.h"

#define FIRST_INTERVAL_NS ((uint64_t)1 << 15)
#define EARLY_NS ((uint64_t)20000000) /* from then on the coarse clock serves: its ticks are 1 to 10 ms */
#define EARLY_EVENTS 16u              /* allocations and frees between looks at the exact clock */
#define RESIDENT_NS ((uint64_t)10000000)
#define COST_SHARE 100u        /* a point may take one of so many parts of the time until the next one */
#define SERIES_COST_SHARE 400u /* and a moment, which puts other things out of the caches, too */
#define POINT_COST_NS ((uint64_t)100000)
#define END_TRIES 20

_Atomic uint64_t cr_timeline_due = UINT64_MAX;
_Atomic bool cr_timeline_begins;

static struct {
    _Atomic bool taking;
    _Atomic uint64_t looked_at; /* events of a slot at the last look at the exact clock */
    uint64_t resident_due, series_due;
} state;

static void absorb(void *entry, const void *next)
{
    struct cr_point *point = entry, merged = *(const struct cr_point *)next;
    merged.low_bytes = point->low_bytes < merged.low_bytes ? point->low_bytes : merged.low_bytes;
    merged.high_bytes = point->high_bytes > merged.high_bytes ? point->high_bytes : merged.high_bytes;
    merged.resident_bytes = merged.resident_bytes ? merged.resident_bytes : point->resident_bytes;
    *point = merged;
}

const struct cr_history_kind cr_timeline_points = {CR_SECTION_TIMELINE, CR_TIMELINE_HALF, absorb};

static struct cr_timeline *timeline(void) { return CR_SECTION_ITEM(struct cr_timeline, CR_SECTION_TIMELINE, 0); }

/* After the point is there: a process killed in between leaves its extremes twice rather than never. What another thread has widened
 * meanwhile stays. */
static void begin_span(int64_t low, int64_t high, int64_t live)
{
    atomic_compare_exchange_strong(&timeline()->low_bytes, &low, live);
    atomic_compare_exchange_strong(&timeline()->high_bytes, &high, live);
}

static bool add_point(uint64_t now)
{
    struct cr_header *header = cr_recording;
    struct cr_totals totals = cr_recording_totals();
    int64_t live = CR_LOAD(header->shared_bytes);
    struct cr_point point = {
        .time_ns = now - header->start_ns,
        .live_bytes = live,
        .live_blocks = CR_LOAD(header->shared_blocks),
        .low_bytes = CR_LOAD(timeline()->low_bytes),
        .high_bytes = CR_LOAD(timeline()->high_bytes),
        .allocations = totals.allocations,
        .bytes_allocated = totals.bytes_allocated,
    };
    int64_t low = point.low_bytes, high = point.high_bytes;
    if (point.low_bytes > live) /* a thread has handed in since: its extremes count for the next point */
        point.low_bytes = live;
    if (point.high_bytes < live)
        point.high_bytes = live;
    if (now >= state.resident_due) {
        point.resident_bytes = cr_os_resident_bytes();
        state.resident_due = now + RESIDENT_NS;
    }
    bool added = cr_history_add(&cr_timeline_points, &point);
    begin_span(low, high, live);
    return added;
}

/* What a point has cost, but no more than what it can: a thread that was kept from its processor meanwhile would leave a hole that is
 * hundreds of times as long. */
static uint64_t cost(uint64_t start, uint64_t end, uint64_t most) { return end - start < most ? end - start : most; }

static uint64_t later(uint64_t now, uint64_t interval, uint64_t rest)
{
    return now + (rest > interval ? rest : interval);
}

/* What is due; `always` a point and a series point. `taking` is the caller's. */
static void take(bool always)
{
    uint64_t start = cr_os_now_ns();
    bool room = add_point(start);
    uint64_t end = cr_os_now_ns();
    uint64_t rest = CR_LOAD(cr_timeline_begins) ? 0 : cost(start, end, POINT_COST_NS) * COST_SHARE;
    CR_STORE(cr_timeline_due, room ? later(end, CR_LOAD(timeline()->history.interval_ns), rest) : UINT64_MAX);
    if (!always && end < state.series_due)
        return;
    room = cr_series_point(start - cr_recording->start_ns);
    uint64_t done = cr_os_now_ns();
    rest = cost(end, done, cr_series_cost_ns()) * SERIES_COST_SHARE;
    state.series_due = room ? later(done, cr_series_interval(), rest) : UINT64_MAX;
}

void cr_timeline_point(struct cr_slot *slot)
{
    if (atomic_exchange(&state.taking, true))
        return;
    cr_recording_hand_in(slot);
    take(false);
    atomic_store(&state.taking, false);
}

void cr_timeline_look_early(struct cr_slot *slot)
{
    uint64_t events = CR_LOAD(slot->allocations) + CR_LOAD(slot->frees);
    if (events - CR_LOAD(state.looked_at) < EARLY_EVENTS) /* of another slot, maybe: then this one looks, too */
        return;
    CR_STORE(state.looked_at, events);
    uint64_t now = cr_os_now_ns();
    if (now - cr_recording->start_ns > EARLY_NS)
        CR_STORE(cr_timeline_begins, false);
    else if (now >= CR_LOAD(cr_timeline_due))
        cr_timeline_point(slot);
}

void cr_timeline_start(void)
{
    state.resident_due = state.series_due = 0;
    int64_t live = CR_LOAD(cr_recording->shared_bytes);
    CR_STORE(timeline()->low_bytes, live);
    CR_STORE(timeline()->high_bytes, live);
    CR_STORE(timeline()->history.interval_ns, FIRST_INTERVAL_NS);
    cr_series_start();
    CR_STORE(state.looked_at, 0);
    CR_STORE(cr_timeline_begins, true);
    take(true);
    atomic_store(&state.taking, false);
}

static bool is_patient(int tries)
{
    struct timespec pause = {0, 1000000};
    if (tries < END_TRIES)
        nanosleep(&pause, NULL);
    return tries < END_TRIES;
}

/* Whether nobody holds the recording lock for good: the thread that this signal handler interrupted, say. */
static bool lock_comes_free(void)
{
    for (int i = 0; !cr_lock_try(&cr_recording_lock); i++)
        if (!is_patient(i))
            return false;
    cr_unlock(&cr_recording_lock);
    return true;
}

bool cr_timeline_prepare_end(void)
{
    for (int i = 0; atomic_exchange(&state.taking, true); i++)
        if (!is_patient(i))
            return false;
    bool full = cr_history_is_full(&cr_timeline_points) || cr_history_is_full(&cr_series_points);
    bool room = !full ||
                (lock_comes_free() && cr_history_reserve(&cr_timeline_points) && cr_history_reserve(&cr_series_points));
    if (!room)
        atomic_store(&state.taking, false);
    return room;
}

void cr_timeline_end(void)
{
    state.resident_due = 0;
    take(true);
    atomic_store(&state.taking, false);
}
