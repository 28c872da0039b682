/* events/placement, quarantine and state/extents: over an allocator that only counts, what is found of writes around and in blocks, what
 * becomes of freed ones and in which order, and which block an address is in. */
#include "events/placement.h"

#include "events/guard.h"
#include "events/placed_errors.h"
#include "events/quarantine.h"
#include "random.h"
#include "services/options.h"
#include "platform/here.h"
#include "state/call_tree.h"
#include "state/extents.h"
#include "state/zones.h"
#include "tap.h"
#include "threads.h"
#include "tracker.h"

/* ---- an allocator, and hooks ---- */

static _Atomic long outstanding;
static void *_Atomic last_released;

static void *allocate(size_t size, bool zeroed)
{
    outstanding++;
    return zeroed ? calloc(1, size) : memset(malloc(size), 0x5a, size);
}

static void release(void *base)
{
    outstanding--;
    last_released = base;
    free(base);
}

static const struct cr_heap heap = {allocate, release};

static bool start(bool check, uint64_t quarantine, uint64_t guard_every)
{
    cr_options.check = check;
    cr_options.quarantine = quarantine;
    cr_options.guard_every = guard_every;
    cr_options.fill = 0xcd;
    if (!tracker_start())
        return false;
    cr_placement_start(&heap);
    return true;
}

static __attribute__((noinline)) char *make(size_t size, size_t align, bool zeroed)
{
    struct cr_unwind_start here = CR_UNWIND_START();
    struct cr_thread *thread = cr_enter();
    unsigned tag = CR_KIND_MALLOC;
    char *block = --thread->until_placed ? NULL : cr_place(thread, size, align, zeroed, &tag);
    if (block) {
        cr_on_alloc(thread, block, size, tag, &here);
        block = cr_placed_is_known(thread, block, size, tag) ? block : NULL;
    }
    cr_leave(thread);
    return block;
}

/* Whether it was whole. */
static __attribute__((noinline)) bool give(char *block)
{
    struct cr_unwind_start here = CR_UNWIND_START();
    struct cr_thread *thread = cr_enter();
    struct cr_placed_block placed;
    bool found = cr_placed_find(block, &placed);
    bool whole = found && cr_placed_check(thread, &placed, &(struct cr_placed_call){"free", &here});
    if (found && cr_on_free(thread, block, 0))
        cr_placed_retire(thread, &placed, &here, whole);
    cr_leave(thread);
    return whole;
}

static void check_all(void)
{
    struct cr_thread *thread = cr_enter();
    cr_placement_check_all(thread);
    cr_leave(thread);
}

static const struct cr_error *error(uint32_t i) { return CR_SECTION_ITEM(struct cr_error, CR_SECTION_ERRORS, i); }

/* The only error so far but `before` others. */
static const struct cr_error *only(uint32_t before, uint32_t kind)
{
    static const struct cr_error none;
    bool right = section_count(CR_SECTION_ERRORS) == before + 1 && error(before)->kind == kind;
    return right ? error(before) : &none;
}

static bool is_in(const char *address, enum cr_extent_state state, const char *block)
{
    struct cr_extent extent;
    return cr_extent_find((uintptr_t)address, &extent) && extent.state == state && extent.block == (uintptr_t)block;
}

static bool is_in_none(const char *address)
{
    struct cr_extent extent;
    return !cr_extent_find((uintptr_t)address, &extent);
}

/* ---- what is found ---- */

static bool writes_around_a_block(void)
{
    bool right = start(true, 1 << 20, 0);
    char *block = make(10, 16, false), *aligned = make(100, 256, false), *zero = make(50, 16, true);
    right = right && block[0] == (char)0xcd && block[9] == (char)0xcd && !zero[0] && !zero[49];
    right = right && (uintptr_t)aligned % 256 == 0 && give(zero);
    block[10] = 'x';
    block[12] = 'y';
    right = right && !give(block);
    const struct cr_error *found = only(0, CR_ERROR_OVERRUN);
    right = right && found->block_address == (uintptr_t)block && found->block_size == 10 && found->detail[0] == 0 &&
            found->detail[1] == 2 && found->changed_bytes == 3 && !memcmp(found->changed, "x\xfdy", 3) &&
            !memcmp(found->expected, "\xfd\xfd\xfd", 3) && found->stack && found->allocated &&
            !strcmp(found->function, "free");
    aligned[-1] = 'z';
    right = right && !give(aligned);
    found = only(1, CR_ERROR_UNDERRUN);
    right = right && found->detail[0] == 1 && found->detail[1] == 1 && found->address == (uintptr_t)aligned - 1;
    return tracker_end() && right;
}

static bool writes_to_freed_blocks(void)
{
    bool right = start(true, 20000, 0);
    char *spoilt = make(30, 16, false), *later = make(30, 16, false);
    right = right && give(spoilt) && spoilt[0] == (char)CR_FILL_FREED;
    spoilt[4] = 'w';
    for (int i = 0; i < 1000; i++) /* pushes it out */
        right = right && give(make(30, 16, false));
    const struct cr_error *found = only(0, CR_ERROR_WRITE_AFTER_FREE);
    right = right && found->detail[0] == 4 && found->detail[1] == 1 && found->changed[0] == 'w' &&
            found->expected[0] == CR_FILL_FREED && found->allocated && found->freed && found->freed_thread == 1;
    right = right && give(later);
    later[31] = 'v'; /* behind it */
    check_all();
    right = right && only(1, CR_ERROR_OVERRUN)->freed != 0;
    check_all();
    right = right && cr_recording->errors == 2;
    return tracker_end() && right;
}

static bool at_the_end(void)
{
    bool right = start(true, 20000, 0);
    char *one = make(30, 16, false), *two = make(5000, 16, false);
    check_all();
    right = right && cr_recording->errors == 0;
    one[30] = 1;
    two[-2] = 1;
    check_all();
    right = right && section_count(CR_SECTION_ERRORS) == 2 &&
            error(0)->kind + error(1)->kind == CR_ERROR_OVERRUN + CR_ERROR_UNDERRUN;
    return tracker_end() && right && !error(0)->stack;
}

static bool first_in_first_out(void)
{
    bool right = start(true, 1 << 20, 0);
    static char *block[40];
    for (int i = 0; i < 40; i++)
        block[i] = make(60000, 16, false);
    long before = outstanding;
    for (int i = 0; i < 15; i++)
        right = right && give(block[i]);
    right = right && outstanding == before; /* 15 of 60,000 bytes are less than 1 MiB */
    for (int i = 15; i < 40; i++)
        right = right && give(block[i]);
    right = right && outstanding > 10 && outstanding < 22;
    char *large = make(2 << 20, 16, false);
    long kept = outstanding;
    right = right && give(large) && outstanding == kept - 1 && last_released == large - CR_ZONE_FRONT;
    return tracker_end() && right && cr_recording->errors == 0;
}

static void *free_some(void *context)
{
    char **blocks = context;
    for (int i = 0; i < 100; i++)
        give(blocks[i]);
    return NULL;
}

static bool is_kept(const char *block)
{
    struct cr_freed freed;
    return cr_quarantine_find((uintptr_t)block, &freed) && cr_freed_size(&freed) == 300;
}

/* Of two threads that free alike each takes out its own; what a thread that has ended left is taken by the other in the end. */
static bool each_its_own(void)
{
    bool right = start(true, 200000, 0);
    static char *other[100], *own[2000];
    for (int i = 0; i < 100; i++)
        other[i] = make(300, 16, false);
    for (int i = 0; i < 2000; i++)
        own[i] = make(300, 16, false);
    pthread_t thread;
    pthread_create(&thread, NULL, free_some, other);
    pthread_join(thread, NULL);
    right = right && is_kept(other[0]) && is_kept(other[90]);
    for (int i = 0; i < 550; i++)
        right = right && give(own[i]);
    right = right && is_kept(other[0]) && !is_kept(own[0]) && is_kept(own[549]);
    for (int i = 550; i < 2000; i++)
        right = right && give(own[i]);
    right = right && !is_kept(other[0]) && is_kept(own[1999]);
    return tracker_end() && right && cr_recording->errors == 0;
}

/* A block that has left may be the next one of its size at once, in zones that are laid anew, and with whatever was written to it told. */
static bool used_again(void)
{
    bool right = start(true, 20000, 0);
    long again = 0;
    char *last = NULL;
    for (int i = 0; i < 2000; i++) {
        size_t size = 33 + (size_t)i % 16;
        long before = outstanding;
        char *block = make(size, 16, false);
        again += outstanding == before;
        right = right && cr_zone_is_whole(block, size) && block[0] == (char)0xcd && block[size - 1] == (char)0xcd &&
                is_in(block + size + 15, CR_EXTENT_LIVE, block) && give(block) && is_in(block, CR_EXTENT_FREED, block);
        last = block;
    }
    last[5] = 1;
    check_all();
    right = right && again > 1000 && only(0, CR_ERROR_WRITE_AFTER_FREE)->detail[0] == 5;
    char *zero = make(40, 16, true);
    for (int i = 0; i < 40; i++)
        right = right && !zero[i];
    return tracker_end() && right;
}

static bool without_quarantine(void)
{
    bool right = start(true, 0, 0);
    for (int i = 0; i < 100; i++)
        right = right && give(make(100, 16, false)) && !outstanding;
    return tracker_end() && right;
}

static bool unseen(void)
{
    bool right = start(true, 1 << 20, 0);
    char *block = make(100, 16, false);
    right = right && cr_placed_free_unseen(block) && !outstanding && !cr_placed_free_unseen(block);
    right = right && !cr_block_peek((uintptr_t)block) && !cr_placed_free_unseen(NULL) && !cr_placed_free_unseen(&right);
    return tracker_end() && right;
}

static char *spoilt[2];

static void heal_and_tell(struct cr_thread *thread, const struct cr_freed *freed, const struct cr_freed_damage *damage)
{
    for (int i = 0; i < 2; i++)
        memset(spoilt[i], CR_FILL_FREED, 100);
    cr_placed_tell_freed(thread, freed, damage);
}

/* What a look at the quarantine has found is told although the memory is another's by then. */
static bool told_from_a_copy(void)
{
    bool right = start(true, 1 << 20, 0);
    cr_quarantine_start(1 << 20, (struct cr_quarantine_ways){release, heal_and_tell});
    for (int i = 0; i < 2; i++)
        right = right && give(spoilt[i] = make(100, 16, false));
    for (int i = 0; i < 2; i++)
        spoilt[i][50 + i] = 1;
    cr_quarantine_check(cr_tls_get());
    right = right && atomic_load(&cr_recording->errors) == 2;
    return tracker_end() && right;
}

/* A signal handler that interrupts the block table while it has its lock, and another region has this one's place in the front. */
static bool unseen_locked(void)
{
    bool right = start(true, 1 << 20, 0);
    char *block = make(100, 16, false);
    uint64_t number = (uintptr_t)block >> CR_REGION_SHIFT;
    struct cr_region *_Atomic *front = &cr_region_front[number & (CR_FRONT_ENTRIES - 1)];
    struct cr_region *region = *front, other = {.number = number + CR_FRONT_ENTRIES};
    alarm(20);
    cr_lock(&cr_regions_lock);
    *front = &other;
    right = right && !cr_placed_may_ask(block) && cr_placed_free_unseen(block) && outstanding;
    *front = region;
    right = right && cr_placed_may_ask(block);
    *front = &other;
    cr_unlock(&cr_regions_lock);
    right = right && cr_placed_may_ask(block) && cr_placed_free_unseen(block) && !outstanding;
    return tracker_end() && right;
}

/* ---- which block an address is in ---- */

static bool addresses(void)
{
    static const size_t sizes[] = {0, 1, 16, 100, 1000, 1024, 1025, 5000, 70000, 1100000, 3000000};
    bool right = start(true, 64 << 20, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = sizes[i], step = size / 997 + 1;
        char *block = make(size, 16, false);
        for (size_t at = 0; at <= size; at += step)
            right = right && is_in(block + at, CR_EXTENT_LIVE, block);
        right = right && is_in(block - 1, CR_EXTENT_LIVE, block) && is_in(block + size + 15, CR_EXTENT_LIVE, block);
        right = right && give(block);
        for (size_t at = 0; at <= size; at += step)
            right = right && is_in(block + at, CR_EXTENT_FREED, block);
    }
    right = right && is_in_none((char *)&right) && is_in_none(NULL);
    char *gone = make(65 << 20, 16, false);
    right = right && is_in(gone + 1000000, CR_EXTENT_LIVE, gone) && give(gone) && is_in_none(gone) &&
            is_in_none(gone + 1000000);
    return tracker_end() && right;
}

/* ---- guarded blocks ---- */

static bool one_in_n(void)
{
    bool right = start(false, 0, 100);
    long guarded = 0;
    for (int i = 0; i < 100000; i++) {
        char *block = make(40, 16, false);
        guarded += block != NULL;
        right = right && (!block || (cr_guard_is_guarded(block) && give(block)));
    }
    printf("# %ld of 100,000 guarded, one in 100 wanted\n", guarded);
    return tracker_end() && right && guarded > 850 && guarded < 1150 && !outstanding;
}

static bool guarded_and_zoned(void)
{
    bool right = start(true, 1 << 20, 10);
    long guarded = 0;
    for (int i = 0; i < 2000; i++) {
        char *block = make(40, 16, false);
        guarded += cr_guard_is_guarded(block);
        right = right && block[39] == (char)0xcd;
        if (i == 1999)
            block[40] = 1;
        right = right && give(block) == (i < 1999);
    }
    return tracker_end() && right && guarded > 100 && guarded < 300 && cr_recording->errors == 1;
}

int main(void);

static bool fault_is_told(char *block)
{
    uint64_t before = cr_recording->errors;
    struct cr_os_registers registers = {.pc = (uintptr_t)main};
    cr_placed_tell_fault((uintptr_t)block + 4096, CR_ACCESS_WRITE, &registers);
    return cr_recording->errors == before + 1;
}

/* As when another thread has stopped the one that holds a lock of crunch's. */
static bool fault_while_locked(void)
{
    bool right = start(false, 0, 1);
    char *block = make(4096, 16, false);
    cr_lock(&cr_tree_lock);
    right = right && !fault_is_told(block);
    cr_unlock(&cr_tree_lock);
    right = right && fault_is_told(block);
    return tracker_end() && right;
}

/* ---- threads ---- */

#define THREADS 4

static void *churn(void *context)
{
    uint64_t random = *(uint64_t *)context;
    char *held[50] = {NULL};
    bool right = true;
    for (int i = 0; i < 5000; i++) {
        char **place = &held[random_below(&random, 50)];
        right = right && (!*place || give(*place));
        size_t size = random_below(&random, 300);
        *place = make(size, 16, false);
        memset(*place, 'x', size);
        right = right && is_in(*place, CR_EXTENT_LIVE, *place);
    }
    for (int i = 0; i < 50; i++)
        right = right && (!held[i] || give(held[i]));
    *(uint64_t *)context = right;
    return NULL;
}

static bool in_threads(void)
{
    uint64_t state[THREADS] = {1, 2, 3, 4};
    bool right = start(true, 100000, 50);
    threads_run(THREADS, churn, state, sizeof *state);
    check_all();
    for (int i = 0; i < THREADS; i++)
        right = right && state[i] == 1;
    return tracker_end() && right && cr_recording->errors == 0 && outstanding < 2000;
}

int main(void)
{
    ok(in_child(writes_around_a_block), "writes around a block are found when it is freed, with stacks and bytes");
    ok(in_child(writes_to_freed_blocks),
       "writes to a freed block are found when it leaves the quarantine or at the end, once");
    ok(in_child(at_the_end), "writes around blocks that are never freed are found at the end");
    ok(in_child(first_in_first_out),
       "the quarantine keeps its bytes, and lets the oldest go; what is larger goes at once");
    ok(in_child(each_its_own), "a thread's own blocks leave first, unless others are much older");
    ok(in_child(used_again), "a block that has left is the next of its size, whole and filled");
    ok(in_child(without_quarantine), "no quarantine keeps nothing");
    ok(in_child(told_from_a_copy), "what was written to freed blocks is told as it was found");
    ok(in_child(unseen_locked), "and waits for no lock that it may hold itself");
    ok(in_child(unseen), "what a thread frees that cannot enter goes back at once, once");
    ok(in_child(addresses), "every address of a block and its zones leads to it, live or freed");
    ok(in_child(one_in_n), "one block in n is guarded");
    ok(in_child(guarded_and_zoned), "both modes at once");
    ok(in_child(fault_while_locked), "a fault is not told, and waits for nobody, while a lock is held for good");
    ok(in_child(in_threads), "threads");
    return tap_done();
}
