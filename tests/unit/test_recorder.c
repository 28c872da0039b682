/* events/recorder and services/recording's peak: random runs against a slow reference. One thread: everything exact after every
 * event. Several: totals exact, the peak within the bound of docs/format.md. */
#include "events/recorder.h"

#include "random.h"
#include "tap.h"
#include "threads.h"
#include "tracker.h"

#define PLACES 500
#define THREADS 8

/* ---- what hooks do ---- */

static __attribute__((noinline)) void alloc(struct cr_thread *thread, void *block, size_t size, unsigned tag)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    cr_on_alloc(thread, block, size, tag, &start);
}

/* false: the block was not known. */
static __attribute__((noinline)) bool resize(struct cr_thread *thread, void *block, void *result, size_t size)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    struct cr_resize step = {cr_on_resize_begin(thread, block, "realloc", 0), block, result, size, CR_KIND_REALLOC};
    cr_on_resize_end(thread, &step, &start);
    return step.index != 0;
}

/* ---- the reference ---- */

static struct reference {
    uint64_t allocations, frees, reallocations, bytes_allocated, bytes_freed, untracked_frees;
    uint64_t live, blocks, peak, peak_blocks;
} truth;

static void truth_moves(uint64_t allocated, uint64_t freed, int blocks)
{
    truth.bytes_allocated += allocated;
    truth.bytes_freed += freed;
    truth.live += allocated - freed;
    truth.blocks += (uint64_t)(int64_t)blocks;
    if (truth.live > truth.peak) {
        truth.peak = truth.live;
        truth.peak_blocks = truth.blocks;
    }
}

/* ---- one random event, at one of a thread's own places ---- */

struct actor {
    size_t self;
    uint64_t random;
    size_t size[PLACES];
    bool live[PLACES], right;
    pthread_mutex_t *turn; /* NULL: everybody at once */
    int events;
};

static void *place(const struct actor *actor, size_t i, size_t half)
{
    return (void *)(0x100000000000 + actor->self * 0x1000000 + i * 4096 + half * 2048);
}

static void event(struct actor *actor, struct cr_thread *thread)
{
    size_t i = (size_t)random_below(&actor->random, PLACES), size = (size_t)random_below(&actor->random, 2000);
    void *block = place(actor, i, 0);
    if (!actor->live[i]) {
        alloc(thread, block, size, CR_KIND_MALLOC);
        truth.allocations++;
        truth_moves(size, 0, 1);
        actor->live[i] = true;
    } else if (random_below(&actor->random, 3)) {
        actor->right = actor->right && cr_on_free(thread, block, 0);
        truth.frees++;
        truth_moves(0, actor->size[i], -1);
        actor->live[i] = false;
    } else {
        size += 1;
        bool fails = random_below(&actor->random, 5) == 0;
        actor->right = actor->right && resize(thread, block, fails ? NULL : block, size);
        if (fails)
            return;
        truth.reallocations++;
        truth_moves(size, actor->size[i], 0);
    }
    actor->size[i] = size;
}

static bool totals_are_true(void)
{
    struct cr_totals totals = cr_recording_totals();
    return totals.allocations == truth.allocations && totals.frees == truth.frees &&
           totals.reallocations == truth.reallocations && totals.bytes_allocated == truth.bytes_allocated &&
           totals.bytes_freed == truth.bytes_freed && totals.untracked_frees == truth.untracked_frees &&
           totals.live_bytes == truth.live && totals.live_blocks == truth.blocks;
}

/* ---- one thread ---- */

/* The peak as the reader completes it (struct cr_slot of base/format.h) while one slot is all there is. */
static bool peak_is_true(const struct cr_slot *slot)
{
    const struct cr_header *header = cr_recording;
    int64_t bytes = header->shared_bytes + slot->high_bytes - slot->handed_bytes;
    int64_t blocks = header->shared_blocks + slot->high_blocks - slot->handed_blocks;
    bool higher = bytes > (int64_t)header->peak_bytes;
    return truth.peak == (higher ? (uint64_t)bytes : header->peak_bytes) &&
           truth.peak_blocks == (higher ? (uint64_t)blocks : header->peak_blocks);
}

static void test_one_thread(void)
{
    static struct actor actor = {.self = 0, .random = 3, .right = true};
    struct cr_thread *thread = cr_enter();
    bool totals = true, peaks = true;
    for (int i = 0; i < 30000; i++) {
        event(&actor, thread);
        totals = totals && totals_are_true();
        peaks = peaks && peak_is_true(thread->slot);
        if (i % 64 == 0)
            cr_recording_hand_in(thread->slot);
    }
    ok(actor.right, "every live block is known");
    ok(totals, "totals are exact after each of 30,000 events");
    ok(peaks, "and so are the peak and its blocks");

    ok(!cr_on_free(thread, NULL, 0) && cr_on_unknown(thread, NULL, "free") && totals_are_true(),
       "free(NULL) is nothing");
    truth.untracked_frees++;
    ok(!cr_on_free(thread, (void *)0x200000000000, 0) && cr_on_unknown(thread, (void *)0x200000000000, NULL) &&
           totals_are_true(),
       "an unknown address is counted as such");
    ok(!cr_on_delete(thread, (void *)0x200000000000, CR_KIND_NEW, CR_UNSAID, 0, 0) && totals_are_true(),
       "but not by operator delete, whose free is to come");
    cr_leave(thread);
}

static void test_special_resizes(void)
{
    struct cr_thread *thread = cr_enter();
    char *known = (char *)0x210000000000, *unknown = (char *)0x220000000000;

    alloc(thread, known, 100, CR_KIND_MALLOC);
    truth.allocations++, truth_moves(100, 0, 1);
    resize(thread, known, NULL, 0);
    truth.frees++, truth_moves(0, 100, -1);
    ok(totals_are_true(), "realloc(p, 0) that gives nothing is a free");

    resize(thread, unknown, unknown + 64, 50);
    truth.untracked_frees++, truth.allocations++, truth_moves(50, 0, 1);
    ok(totals_are_true(), "realloc of an unknown block makes it known");

    resize(thread, unknown, NULL, 50);
    ok(totals_are_true(), "realloc of an unknown block that fails is nothing");

    alloc(thread, unknown + 64, 70, CR_KIND_CALLOC);
    truth.frees++, truth.allocations++, truth_moves(70, 50, 0);
    ok(totals_are_true(), "an address that is given out again was freed behind crunch's back");

    ok(cr_on_free(thread, unknown + 64, 0) && !cr_on_free(thread, unknown + 64, 0) &&
           cr_on_unknown(thread, unknown + 64, NULL),
       "of two frees only the first finds the block");
    truth.frees++, truth.untracked_frees++, truth_moves(0, 70, -1);
    ok(totals_are_true(), "and the second is an unknown address");
    cr_leave(thread);
}

/* ---- several threads ---- */

static void *act(void *argument)
{
    struct actor *actor = argument;
    for (int i = 0; i < actor->events; i++) {
        if (actor->turn)
            pthread_mutex_lock(actor->turn);
        struct cr_thread *thread = cr_enter();
        event(actor, thread);
        cr_leave(thread);
        if (actor->turn)
            pthread_mutex_unlock(actor->turn);
    }
    return NULL;
}

static void hand_in(void *context, struct cr_slot *slot)
{
    (void)context;
    cr_recording_hand_in(slot);
}

static void test_peak_of_threads(void)
{
    static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
    static struct actor actor[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        actor[i] = (struct actor){.self = i + 1, .random = i + 100, .right = true, .turn = &turn, .events = 20000};
    threads_run(THREADS, act, actor, sizeof *actor);
    cr_recording_each_slot(hand_in, NULL);
    ok(totals_are_true(), "totals of threads that take turns are exact");
    int64_t low = (int64_t)truth.peak - (int64_t)cr_recording->peak_bytes;
    int64_t bound = (int64_t)truth.peak / 500 + 2048 * (THREADS + 1);
    ok(low <= bound, "their peak of %llu is at most %lld low: %lld", (unsigned long long)truth.peak, (long long)bound,
       (long long)low);
    ok(low >= -bound, "and at most as much high");
}

/* Each at its own places and all at once, some allocating what others free. */
static _Atomic(void *) mailbox[64];

static void *exchange(void *argument)
{
    struct actor *actor = argument;
    actor->right = true;
    for (size_t i = 0; i < 20000; i++) {
        struct cr_thread *thread = cr_enter();
        void *block = (void *)(0x400000000000 + actor->self * 0x10000000 + i * 32);
        alloc(thread, block, i % 100, CR_KIND_MALLOC);
        void *other = atomic_exchange(&mailbox[random_below(&actor->random, 64)], block);
        if (other)
            actor->right = actor->right && cr_on_free(thread, other, 0);
        cr_leave(thread);
    }
    return NULL;
}

static void test_threads_at_once(void)
{
    static struct actor actor[THREADS];
    struct cr_totals before = cr_recording_totals();
    for (size_t i = 0; i < THREADS; i++)
        actor[i] = (struct actor){.self = i, .random = i};
    threads_run(THREADS, exchange, actor, sizeof *actor);
    bool right = true;
    uint64_t left = 0;
    for (size_t i = 0; i < THREADS; i++)
        right = right && actor[i].right;
    for (size_t i = 0; i < 64; i++)
        left += atomic_load(&mailbox[i]) != NULL;
    struct cr_totals after = cr_recording_totals();
    ok(right, "blocks made by one thread are known to the one that frees them");
    ok(after.allocations - before.allocations == THREADS * 20000, "no allocation is lost");
    ok(after.live_blocks - before.live_blocks == left, "no free is lost");
    ok(after.bytes_allocated - before.bytes_allocated == (uint64_t)THREADS * 200 * 4950, "no byte is lost");
    ok(cr_recording->threads == 1 + 2 * THREADS, "every thread has a number");
}

int main(void)
{
    if (!tracker_start())
        return 1;
    test_one_thread();
    test_special_resizes();
    test_peak_of_threads();
    test_threads_at_once();
    ok(tracker_end(), "the recording is the one file written");
    return tap_done();
}
