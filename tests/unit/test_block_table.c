/* state/block_table: random use against a slow reference, neighbours 8 bytes apart, and threads that compete for a block or pass
 * records around. */
#include "state/block_table.h"

#include <string.h>

#include "random.h"
#include "tap.h"
#include "threads.h"

#define MARK (CR_SLOT_FREED | 7u)
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
    return cr_block_publish(cr_block_slot(address, true), address, cr_record(index), index);
}

/* The size of the block that was there; 0: none. */
static uint64_t leave(struct cr_spares *spares, uintptr_t address)
{
    uint32_t index = cr_block_take(address, MARK);
    if (!index)
        return 0;
    uint64_t size = cr_record(index)->address == address ? cr_record_size(cr_record(index)) : UINT64_MAX;
    cr_record_drop(spares, cr_record(index), index);
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
                cr_record_drop(&spares, cr_record(before), before);
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
    size_t first = 0, second = 0, after = 0;
    cr_block_each_stand_still(true);
    cr_block_each(compare, &first);
    cr_block_each(compare, &second);
    cr_block_each_stand_still(false);
    reference[0] = reference[0] ? leave(&spares, place(0)) : 0;
    enter(&spares, place(0), reference[0] = 5);
    cr_block_each(compare, &after);
    ok(first == live && second == live && after >= live, "so it does while they stand still, and after");
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
    ok(!cr_block_slot(0x600000000004, true) && !cr_block_take(0x600000000001, MARK),
       "no block is at an address that is no multiple of 8");
    ok(!cr_block_take(0, MARK) && !cr_block_take(0x700000000000, MARK), "none at NULL, none where nothing ever was");
}

/* ---- what is positively known ---- */

static bool around(uintptr_t address, uintptr_t block, uint64_t size)
{
    struct cr_record copy;
    return cr_block_around(address, &copy) && copy.address == block && cr_record_size(&copy) == size;
}

static bool in_none(uintptr_t address)
{
    struct cr_record copy;
    return !cr_block_around(address, &copy);
}

static void test_marks(void)
{
    uintptr_t at = 0x610000000000;
    bool right = !cr_block_mark(at) && enter(&spares, at, 10) == 0 && !cr_block_mark(at);
    right = right && leave(&spares, at) == 10 && cr_block_mark(at) == MARK && !leave(&spares, at);
    right = right && !cr_block_mark(at + 16) && !cr_block_mark(at + 8) && !cr_block_mark(at + 1);
    ok(right, "what was freed has a mark, and what was never there has none");
    right = enter(&spares, at, 11) == 0 && !cr_block_mark(at) && leave(&spares, at) == 11;
    ok(right, "a block at the same address ends the mark");
    cr_block_passed(at, false);
    right = cr_block_mark(at) == MARK;
    cr_block_passed(at, true);
    ok(right && !cr_block_mark(at), "so does one that is not recorded, but not the free of one");
}

static void test_around(void)
{
    uintptr_t at = 0x620000000000, large = 0x630000000000;
    enter(&spares, at, 100);
    enter(&spares, at + 112, 50);
    enter(&spares, at + 1032, 40); /* of the other class of addresses */
    enter(&spares, large, (uint64_t)5 << 30);
    ok(around(at + 1, at, 100) && around(at + 99, at, 100) && around(at + 113, at + 112, 50),
       "the block around an address");
    ok(around(at + 1040, at + 1032, 40) && around(at + 1071, at + 1032, 40), "in the other class of addresses, too");
    ok(in_none(at + 100) && in_none(at + 162) && in_none(at + 1072) && in_none(at - 1), "none between blocks");
    ok(around(large + ((uint64_t)4 << 30), large, (uint64_t)5 << 30) && in_none(large + ((uint64_t)5 << 30)),
       "over gigabytes");
    enter(&spares, large + ((uint64_t)6 << 30), 1);
    leave(&spares, large + ((uint64_t)6 << 30));
    ok(in_none(large + ((uint64_t)6 << 30) + 8), "an address behind it is in no block");
    cr_block_passed(at, false);
    ok(in_none(at + 50), "a block that was freed unrecorded is around nothing");
    leave(&spares, large);
    ok(in_none(large + 64), "nor is one that was freed");
    ok(leave(&spares, at) && leave(&spares, at + 112) && leave(&spares, at + 1032),
       "all of them are still to be taken");
}

static void test_doubt(void)
{
    uintptr_t at = 0x640000000000;
    bool right = true;
    for (uintptr_t i = 0; i < 3; i++) {
        enter(&spares, at + i * 1024, 100);
        leave(&spares, at + i * 1024);
    }
    enter(&spares, at + 4096, 100);
    uintptr_t distant = at + ((uintptr_t)CR_FRONT_ENTRIES << CR_REGION_SHIFT); /* the same place in the front array */
    enter(&spares, distant, 1);
    cr_lock(&cr_regions_lock); /* as if a signal handler had interrupted its holder */
    cr_block_passed(at + 1024, true);
    cr_unlock(&cr_regions_lock);
    right =
        cr_block_mark(at) && !cr_block_mark(at + 1024) && cr_block_mark(at + 2048) && around(at + 4100, at + 4096, 100);
    ok(right, "where the table cannot be asked, the address is doubted, and no other");
    leave(&spares, distant);
    enter(&spares, distant, 1);
    cr_lock(&cr_regions_lock);
    for (uintptr_t i = 0; i < 1100; i++)
        cr_block_passed(at + 8192 + i * 16, true);
    cr_unlock(&cr_regions_lock);
    ok(!cr_block_mark(at) && !cr_block_mark(at + 2048) && in_none(at + 4100),
       "after too many nothing is known any more");
}

/* ---- several threads ---- */

static struct meeting all;

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
    meet(&all);
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
    meeting_of(&all, THREADS);
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
        meet(&all);
        for (uintptr_t i = 0; i < PER_LAP; i++)
            runner->right = runner->right && leave(&runner->spares, lane(neighbour, i)) == lap + 1;
        meet(&all);
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
        meet(&all);
        meet(&all);
    }
    return NULL;
}

static void *end(void *argument)
{
    struct runner *runner = argument;
    runner->right = true;
    for (uintptr_t lap = 0; lap < LAPS; lap++) {
        meet(&all);
        for (uintptr_t i = 0; i < PER_LAP; i++)
            runner->right = runner->right && leave(&runner->spares, lane(9, i)) == i + 1;
        meet(&all);
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
    meeting_of(&all, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        runner[i].self = i;
    threads_run(THREADS, run_ring, runner, sizeof *runner);
    for (size_t i = 0; i < THREADS; i++)
        right = right && runner[i].right;
    ok(right, "threads that free each other's blocks find what was entered");

    meeting_of(&all, 2);
    pair[1].self = 1;
    threads_run(2, make_or_end, pair, sizeof *pair);
    ok(pair[1].right, "so do a thread that only makes and one that only frees");
    uint32_t most = THREADS * (PER_LAP + 2 * CR_SPARES_MOST) + PLACES + 10000;
    uint32_t used = records_in_use();
    ok(used < most, "records are used again across threads: %u, not more than %u", used, most);
}

/* Where blocks are 32 bytes apart at least, two addresses share a slot, and only one of them has a block. */
static void test_wide(void)
{
    const uintptr_t at = 0x7ff000000000; /* above all that the other tests use */
    cr_block_table_start(32);
    bool right =
        enter(&spares, at + 16, 100) == 0 && cr_block_peek(at + 16) && !cr_block_peek(at) && !cr_block_take(at, MARK);
    ok(right, "a block is at its own address, not at its slot's other one");
    ok(around(at + 20, at + 16, 100) && in_none(at + 15), "it lies around addresses behind its start only");
    right = leave(&spares, at + 16) == 100 && cr_block_mark(at + 16) == MARK && !cr_block_mark(at);
    ok(right, "the mark is of that address, too");
    right = enter(&spares, at, 50) == 0 && !cr_block_mark(at + 16) && leave(&spares, at) == 50;
    ok(right && cr_block_mark(at) == MARK, "the other address can have the next block");
    enter(&spares, at + 16, 10);
    uint32_t lost = enter(&spares, at, 20);
    ok(lost && cr_record_size(cr_record(lost)) == 10, "a block at the other address can only have gone unseen");
    ok(leave(&spares, at) == 20, "and the new one is there");
    cr_record_drop(&spares, cr_record(lost), lost);
    cr_block_table_start(16);
}

int main(void)
{
    test_wide();
    test_random_use();
    test_neighbours();
    test_rivals();
    test_wandering_records();
    test_marks();
    test_around();
    test_doubt(); /* last: nothing is known after it */
    return tap_done();
}
