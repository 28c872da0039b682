/* services/history and state/timeline: thinned points against a list of all that ever happened, extremes between points against the
 * same of every single event. */
#include "state/timeline.h"

#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "platform/platform.h"
#include "random.h"
#include "tap.h"
#include "threads.h"
#include "tracker.h"

#define POINTS (2 * CR_TIMELINE_HALF)
#define THREADS 4

static const struct cr_point *point(uint32_t number) { return cr_history_entry(&cr_timeline_points, number); }
static uint32_t points(void) { return cr_history_count(&cr_timeline_points); }

/* ---- thinning ---- */

#define ADDED 60000
#define FIRST_INTERVAL 1024u
static uint32_t thinned; /* points that the last thinning left */
static struct cr_point all[ADDED];

/* Gaps between points: as in a run whose events come evenly, or in bursts. */
static uint64_t next_gap(uint64_t *random, bool bursts)
{
    return bursts && random_below(random, 100) == 0 ? random_below(random, 1000000000)
                                                    : 1 + random_below(random, 40000);
}

static void fill_all(uint64_t seed, bool bursts)
{
    uint64_t random = seed, time = 0;
    for (uint32_t i = 0; i < ADDED; i++) {
        int64_t live = (int64_t)random_below(&random, 1000000);
        time += next_gap(&random, bursts);
        all[i] = (struct cr_point){
            .time_ns = time,
            .live_bytes = live,
            .low_bytes = live - (int64_t)random_below(&random, 1000),
            .high_bytes = live + (int64_t)random_below(&random, 1000),
            .allocations = i,
            .resident_bytes = random_below(&random, 3) ? 0 : i + 1,
        };
    }
}

/* Whether the points stand for the first `count` of all, each one for those since the one before. */
static bool stand_for(uint32_t count)
{
    uint32_t from = 0;
    for (uint32_t n = 0; n < points(); n++) {
        uint32_t last = (uint32_t)point(n)->allocations;
        if (last < from || last >= count)
            return false;
        struct cr_point merged = all[last];
        for (uint32_t i = from; i < last; i++) {
            merged.low_bytes = all[i].low_bytes < merged.low_bytes ? all[i].low_bytes : merged.low_bytes;
            merged.high_bytes = all[i].high_bytes > merged.high_bytes ? all[i].high_bytes : merged.high_bytes;
        }
        for (uint32_t i = last; i > from && !merged.resident_bytes; i--)
            merged.resident_bytes = all[i - 1].resident_bytes;
        if (memcmp(&merged, point(n), sizeof merged))
            return false;
        from = last + 1;
    }
    return from == count;
}

/* Two neighbours never fit into one interval, but for those that came since the last thinning, which left room for half. */
static bool are_apart(void)
{
    uint64_t interval = atomic_load(&cr_history(&cr_timeline_points)->interval_ns);
    for (uint32_t i = 2; interval > FIRST_INTERVAL && i < points() && i < thinned; i++)
        if (point(i)->time_ns - point(i - 2)->time_ns <= interval)
            return false;
    return points() <= POINTS;
}

static bool thinned_is_exact(uint64_t seed, bool bursts)
{
    bool right = tracker_start();
    atomic_store(&cr_history(&cr_timeline_points)->interval_ns, FIRST_INTERVAL);
    fill_all(seed, bursts);
    for (uint32_t i = 0; right && i < ADDED; i++) {
        uint32_t before = points();
        right = cr_history_add(&cr_timeline_points, &all[i]);
        thinned = points() <= before ? points() - 1 : thinned;
        if (i < 10 || i % 1777 == 0 || (i >= POINTS - 1 && i < POINTS + 3) || i == ADDED - 1)
            right = right && stand_for(i + 1) && are_apart();
    }
    right = right && section_count(CR_SECTION_TIMELINE) <= 1 + 3 * CR_TIMELINE_HALF + 64;
    return tracker_end() && right;
}

static bool even_gaps(void) { return thinned_is_exact(1, false); }
static bool bursts_of_points(void) { return thinned_is_exact(2, true); }

/* ---- killed while it thins ---- */

#define KILLS 100

static _Noreturn void add_for_ever(void)
{
    for (uint32_t i = 0;; i = i + 1 < ADDED ? i + 1 : i)
        cr_history_add(&cr_timeline_points, &all[i]);
}

/* The recording is shared memory: what the killed process left is there. */
static bool a_killed_history_is_whole(void)
{
    bool right = tracker_start();
    uint64_t random = 11;
    int thinned_some = 0;
    fill_all(3, true);
    uint64_t start = cr_os_now_ns();
    for (uint32_t i = 0; right && i < ADDED; i++) /* all of the section is there, and so in the child's memory */
        right = cr_history_add(&cr_timeline_points, &all[i]);
    uint64_t longest = (cr_os_now_ns() - start) / 2;
    for (int i = 0; right && i < KILLS; i++) {
        atomic_store(&cr_history(&cr_timeline_points)->interval_ns, FIRST_INTERVAL);
        atomic_store(&cr_history(&cr_timeline_points)->state, 0);
        pid_t child = fork();
        if (child == 0)
            add_for_ever();
        struct timespec pause = {0, (long)random_below(&random, longest < 900000000 ? longest : 900000000)};
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        uint32_t last = points() ? (uint32_t)point(points() - 1)->allocations : 0;
        if (last < ADDED - 1) /* else it may have gone on adding the last one */
            right = !points() || stand_for(last + 1);
        thinned_some += last > POINTS;
    }
    return tracker_end() && right && thinned_some > KILLS / 10;
}

/* ---- extremes of events ---- */

#define PLACES 300
static uint64_t seed;

static __attribute__((noinline)) void alloc(struct cr_thread *thread, size_t place, size_t size)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    cr_on_alloc(thread, (void *)((place + 1) << 12), size, CR_KIND_MALLOC, &start);
}

static __attribute__((noinline)) void resize(struct cr_thread *thread, size_t place, size_t size)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    void *block = (void *)((place + 1) << 12);
    struct cr_resize step = {cr_on_resize_begin(thread, block, "realloc", 0), block, block, size, CR_KIND_REALLOC};
    cr_on_resize_end(thread, &step, &start);
}

static struct {
    size_t size[PLACES];
    int64_t live, low, high;
    uint32_t points;
} truth;

/* Whether a point that the event took, if it did, is right: it says what was before. */
static bool is_right(bool due)
{
    if (points() == truth.points)
        return !due;
    const struct cr_point *taken = point(points() - 1);
    bool right = taken->live_bytes == truth.live && taken->low_bytes == truth.low && taken->high_bytes == truth.high;
    truth.low = truth.high = truth.live;
    truth.points = points();
    return right && due;
}

static bool event(struct cr_thread *thread, uint64_t *random, size_t most)
{
    size_t place = random_below(random, PLACES), size = 1 + random_below(random, most), was = truth.size[place];
    bool due = random_below(random, 50) == 0;
    atomic_store(&cr_timeline_due, due ? 0 : UINT64_MAX);
    if (!was)
        alloc(thread, place, truth.size[place] = size);
    else if (random_below(random, 3) == 0)
        resize(thread, place, truth.size[place] = size);
    else {
        truth.size[place] = 0;
        cr_on_free(thread, (void *)((place + 1) << 12), 0);
    }
    bool right = is_right(due);
    truth.live += (int64_t)truth.size[place] - (int64_t)was;
    truth.low = truth.live < truth.low ? truth.live : truth.low;
    truth.high = truth.live > truth.high ? truth.live : truth.high;
    return right;
}

static bool extremes_are_exact(void)
{
    uint64_t random = seed;
    bool right = tracker_start();
    cr_timeline_start();
    atomic_store(&cr_timeline_begins, false); /* points come when the test says so */
    struct cr_thread *thread = cr_enter();
    truth.points = points();
    size_t most = (size_t)1 << (4 + random_below(&random, 18));
    for (int i = 0; right && i < 20000; i++)
        right = event(thread, &random, most);
    cr_leave(thread);
    return tracker_end() && right && truth.points > 100;
}

static void test_extremes(void)
{
    int exact = 0, runs = 20;
    for (seed = 1; seed <= (uint64_t)runs; seed++)
        exact += in_child(extremes_are_exact);
    ok(exact == runs, "least and most live bytes between points are exact with one thread, in %d of %d runs", exact,
       runs);
}

/* ---- killed while a point is taken ---- */

/* Ever larger blocks, and a point after each. *done: the largest that has come and gone. */
static _Noreturn void grow_for_ever(struct cr_thread *thread, _Atomic size_t *done)
{
    for (size_t size = 1000;; size += 1000) {
        atomic_store(&cr_timeline_due, 0);
        alloc(thread, 0, size);
        cr_on_free(thread, (void *)(1 << 12), 0);
        atomic_store(done, size);
    }
}

/* The highest that the recording tells of. */
static int64_t highest(const struct cr_slot *slot)
{
    int64_t most = atomic_load(&CR_SECTION_ITEM(struct cr_timeline, CR_SECTION_TIMELINE, 0)->high_bytes);
    int64_t own = atomic_load(&slot->high_bytes);
    most = own > most ? own : most;
    for (uint32_t i = 0; i < points(); i++)
        most = point(i)->high_bytes > most ? point(i)->high_bytes : most;
    return most;
}

static bool a_killed_process_leaves_its_extremes(void)
{
    _Atomic size_t *done = mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool right = tracker_start();
    cr_timeline_start();
    struct cr_thread *thread = cr_enter();
    alloc(thread, 0, 1);
    cr_on_free(thread, (void *)(1 << 12), 0);
    atomic_store(&cr_timeline_begins, false);
    cr_recording_append(CR_SECTION_TIMELINE, NULL,
                        3 * CR_TIMELINE_HALF); /* so that no other map comes after the fork */
    pid_t child = fork();
    if (child == 0)
        grow_for_ever(thread, done);
    struct timespec pause = {0, (long)random_below(&seed, 20000000)};
    nanosleep(&pause, NULL);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    right = right && highest(thread->slot) >= (int64_t)atomic_load(done);
    cr_leave(thread);
    return tracker_end() && right;
}

static void test_killed(void)
{
    int whole = 0;
    seed = 5;
    for (int i = 0; i < KILLS; i++, seed += 977)
        whole += in_child(a_killed_process_leaves_its_extremes);
    ok(whole == KILLS, "a process killed while it takes points leaves all extremes, in %d of %d", whole, KILLS);
}

/* ---- several threads ---- */

static void *churn(void *argument)
{
    uint64_t random = *(uint64_t *)argument, base = random * PLACES;
    size_t held[PLACES] = {0};
    for (int i = 0; i < 40000; i++) {
        size_t place = random_below(&random, PLACES);
        struct cr_thread *thread = cr_enter();
        if (held[place])
            cr_on_free(thread, (void *)((base + place + 1) << 12), 0);
        else
            alloc(thread, base + place, 1 + random_below(&random, 5000));
        held[place] = !held[place];
        if (i % 500 == 0)
            atomic_store(&cr_timeline_due, 0);
        cr_leave(thread);
    }
    return NULL;
}

static bool threads_share_the_peak(void)
{
    uint64_t seeds[THREADS] = {1, 2, 3, 4};
    bool right = tracker_start();
    cr_timeline_start();
    threads_run(THREADS, churn, seeds, sizeof seeds[0]);
    right = right && cr_timeline_prepare_end();
    cr_timeline_end();
    int64_t most = 0;
    for (uint32_t i = 0; right && i < points(); i++) {
        const struct cr_point *one = point(i);
        most = one->high_bytes > most ? one->high_bytes : most;
        right = one->low_bytes <= one->live_bytes && one->live_bytes <= one->high_bytes &&
                (i == 0 || (one->time_ns >= point(i - 1)->time_ns && one->allocations >= point(i - 1)->allocations));
    }
    right = right && (uint64_t)most == cr_recording->peak_bytes && points() > 10;
    return tracker_end() && right;
}

/* ---- when points are taken ---- */

static bool short_run_has_points(void)
{
    bool right = tracker_start();
    cr_timeline_start();
    struct cr_thread *thread = cr_enter();
    for (size_t i = 0; i < 3000; i++)
        alloc(thread, i, 100);
    cr_recording_hand_in(thread->slot);
    cr_leave(thread);
    right = right && cr_timeline_prepare_end();
    cr_timeline_end();
    right = right && points() >= 3 && point(0)->allocations == 0 && point(points() - 1)->allocations == 3000 &&
            point(points() - 1)->live_bytes == 300000;
    return tracker_end() && right;
}

/* What a signal handler meets that has interrupted its thread in the middle of an append, or of a point. */
static bool the_end_waits_for_nobody_for_ever(void)
{
    bool right = tracker_start();
    cr_timeline_start();
    cr_lock(&cr_recording_lock);
    while (right && !cr_history_is_full(&cr_timeline_points)) {
        right = cr_timeline_prepare_end(); /* there is room, so the lock is not wanted */
        cr_timeline_end();
    }
    right = right && points() > 10 && !cr_timeline_prepare_end();
    cr_unlock(&cr_recording_lock);
    right = right && cr_timeline_prepare_end(); /* the refusal has left nothing behind */
    right = right && !cr_timeline_prepare_end();
    cr_timeline_end();
    return tracker_end() && right;
}

static bool waits_for_nobody(void)
{
    bool right = tracker_start();
    cr_timeline_start();
    struct cr_thread *thread = cr_enter();
    alloc(thread, 1, 10);
    uint32_t before = points();
    for (int i = 0; i < 200; i++) { /* nothing to see, however much happens: the next point is not due yet */
        atomic_store(&cr_timeline_due, UINT64_MAX);
        atomic_store(&cr_timeline_begins, false);
        cr_on_free(thread, (void *)(2 << 12), 0);
        alloc(thread, 1, 10);
    }
    cr_leave(thread);
    right = right && points() == before;
    return tracker_end() && right;
}

int main(void)
{
    ok(in_child(even_gaps), "however many points come, those kept stand for all of them, extremes too");
    ok(in_child(bursts_of_points), "the same when they come in bursts with long gaps");
    ok(in_child(a_killed_history_is_whole), "a process killed at any moment leaves points that stand for all of them");
    test_extremes();
    test_killed();
    ok(in_child(threads_share_the_peak), "with several threads points are in order, and the highest is the peak");
    ok(in_child(short_run_has_points), "a run of a millisecond has points between its start and end");
    ok(in_child(the_end_waits_for_nobody_for_ever), "the last point is left out where a lock is held for good");
    ok(in_child(waits_for_nobody), "no point is taken before one is due");
    return tap_done();
}
