/* state/block_table: random use against a slow reference, neighbours 8 bytes apart, and threads that compete for a block or pass
 * records around. */
#include "state/block_table.h"

#include <string.h>

#include "random.h"
#include "tap.h"
#include "threads.h"

#define PLACES 3000
#define THREADS 4

static uintptr_t place(size_t i)
{
    static const uintptr_t base[] = {0x555555550000, 0x7ffff0000000, 0x7fffffff0000, 0x10000, (uintptr_t)1 << 46};
    return base[i % 5] + i / 5 * 0x1238; /* both classes of alignment, many regions */
}

static uint32_t enter(struct cr_spares *spares, uintptr_t address, uint64_t size)
{
    uint32_t index = cr_record_new(spares);
    cr_record(index)->size_tag = cr_record_sized(size, 0, 0);
    return cr_block_publish(cr_block_slot(address, true), address, index);
}

/* The size of the block that was there; 0: none. */
static uint64_t leave(struct cr_spares *spares, uintptr_t address)
{
    uint32_t index = cr_block_take(address);
    if (!index)
        return 0;
    uint64_t size = cr_record(index)->address == address ? cr_record_size(cr_record(index)) : UINT64_MAX;
    cr_record_drop(spares, index);
    return size;
}

/* ---- one thread ---- */

static struct cr_spares spares;
static uint64_t reference[PLACES]; /* the size at each place; 0: no block */

static void compare(void *context, struct cr_record *record)
{
    size_t *matching = context;
    for (size_t i = 0; i < PLACES; i++)
        if (place(i) == record->address && reference[i] == cr_record_size(record))
            ++*matching;
}

static void test_random_use(void)
{
    uint64_t random = 7;
    bool entered = true, left = true;
    for (int round = 0; round < 200000; round++) {
        size_t i = (size_t)random_below(&random, PLACES);
        uint64_t size = random_below(&random, 1000) + 1;
        if (random_below(&random, 2)) {
            uint32_t before = enter(&spares, place(i), size);
            entered = entered && (reference[i] ? cr_record_size(cr_record(before)) == reference[i] : before == 0);
            if (before)
                cr_record_drop(&spares, before);
            reference[i] = size;
        } else {
            left = left && leave(&spares, place(i)) == reference[i];
            reference[i] = 0;
        }
    }
    ok(entered, "entering a block gives the one that stood there");
    ok(left, "taking a block gives what was entered, or nothing");
    size_t live = 0, matching = 0, again = 0;
    for (size_t i = 0; i < PLACES; i++)
        live += reference[i] != 0;
    cr_block_each(compare, &matching);
    ok(live > 100 && matching == live, "each visits all %zu live blocks and no other", live);
    for (size_t i = 0; i < PLACES; i++)
        leave(&spares, place(i));
    cr_block_each(compare, &again);
    ok(again == 0, "and none when all are taken");
}

static void test_neighbours(void)
{
    bool right = true;
    for (uintptr_t i = 0; i < 1000; i++)
        right = right && enter(&spares, 0x600000000000 + i * 8, i + 1) == 0;
    for (uintptr_t i = 0; i < 1000; i++)
        right = right && leave(&spares, 0x600000000000 + i * 8) == i + 1;
    ok(right, "blocks 8 bytes apart do not meet");
    ok(!cr_block_slot(0x600000000004, true) && !cr_block_take(0x600000000001),
       "no block is at an address that is no multiple of 8");
    ok(!cr_block_take(0) && !cr_block_take(0x700000000000), "none at NULL, none where nothing ever was");
}

/* ---- several threads ---- */

static pthread_barrier_t all;

struct rival {
    int wins;
    struct cr_spares spares;
    bool right;
};

static _Atomic int takers[PLACES];

static void *take_everything(void *argument)
{
    struct rival *rival = argument;
    rival->right = true;
    pthread_barrier_wait(&all);
    for (size_t i = 0; i < PLACES; i++) {
        uint64_t size = leave(&rival->spares, place(i));
        rival->right = rival->right && (size == 0 || size == i + 1);
        rival->wins += size != 0;
        atomic_fetch_add(&takers[i], size != 0);
    }
    return NULL;
}

static void test_rivals(void)
{
    static struct rival rival[THREADS];
    pthread_barrier_init(&all, NULL, THREADS);
    for (size_t i = 0; i < PLACES; i++)
        enter(&spares, place(i), i + 1);
    threads_run(THREADS, take_everything, rival, sizeof *rival);
    int wins = 0;
    bool once = true, right = true;
    for (size_t i = 0; i < THREADS; i++)
        wins += rival[i].wins, right = right && rival[i].right;
    for (size_t i = 0; i < PLACES; i++)
        once = once && atomic_load(&takers[i]) == 1;
    ok(wins == PLACES && once, "of threads that take the same block exactly one gets it");
    ok(right, "with what was entered");
}

/* A ring in which each thread frees what the one before it made: records wander, and must not pile up. */
#define LAPS 12
#define PER_LAP 10000

struct runner {
    uintptr_t self;
    struct cr_spares spares;
    bool right;
};

static uintptr_t lane(uintptr_t runner, uintptr_t i) { return 0x300000000000 + runner * 0x10000000 + i * 32; }

static void *run_ring(void *argument)
{
    struct runner *runner = argument;
    uintptr_t neighbour = (runner->self + 1) % THREADS;
    runner->right = true;
    for (uintptr_t lap = 0; lap < LAPS; lap++) {
        for (uintptr_t i = 0; i < PER_LAP; i++)
            runner->right = runner->right && enter(&runner->spares, lane(runner->self, i), lap + 1) == 0;
        pthread_barrier_wait(&all);
        for (uintptr_t i = 0; i < PER_LAP; i++)
            runner->right = runner->right && leave(&runner->spares, lane(neighbour, i)) == lap + 1;
        pthread_barrier_wait(&all);
    }
    cr_record_spill(&runner->spares);
    return NULL;
}

/* One only makes, another only frees. */
static void *make(void *argument)
{
    struct runner *runner = argument;
    for (uintptr_t lap = 0; lap < LAPS; lap++) {
        for (uintptr_t i = 0; i < PER_LAP; i++)
            enter(&runner->spares, lane(9, i), i + 1);
        pthread_barrier_wait(&all);
        pthread_barrier_wait(&all);
    }
    return NULL;
}

static void *end(void *argument)
{
    struct runner *runner = argument;
    runner->right = true;
    for (uintptr_t lap = 0; lap < LAPS; lap++) {
        pthread_barrier_wait(&all);
        for (uintptr_t i = 0; i < PER_LAP; i++)
            runner->right = runner->right && leave(&runner->spares, lane(9, i)) == i + 1;
        pthread_barrier_wait(&all);
    }
    return NULL;
}

static void *make_or_end(void *argument)
{
    struct runner *runner = argument;
    return runner->self ? end(argument) : make(argument);
}

static uint32_t records_in_use(void)
{
    static struct cr_spares probe; /* never used: it takes a spilled batch, or fresh ones behind all others */
    while (probe.head || probe.fresh == probe.fresh_end)
        if (!cr_record_new(&probe))
            return UINT32_MAX;
    return probe.fresh_end;
}

static void test_wandering_records(void)
{
    static struct runner runner[THREADS], pair[2];
    bool right = true;
    pthread_barrier_init(&all, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        runner[i].self = i;
    threads_run(THREADS, run_ring, runner, sizeof *runner);
    for (size_t i = 0; i < THREADS; i++)
        right = right && runner[i].right;
    ok(right, "threads that free each other's blocks find what was entered");

    pthread_barrier_init(&all, NULL, 2);
    pair[1].self = 1;
    threads_run(2, make_or_end, pair, sizeof *pair);
    ok(pair[1].right, "so do a thread that only makes and one that only frees");
    uint32_t most = THREADS * (PER_LAP + CR_SPARES_MOST) + PLACES + 10000;
    uint32_t used = records_in_use();
    ok(used < most, "records are used again across threads: %u, not more than %u", used, most);
}

int main(void)
{
    test_random_use();
    test_neighbours();
    test_rivals();
    test_wandering_records();
    return tap_done();
}
