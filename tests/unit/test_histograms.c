/* state/histograms, state/series, state/thread_info: each against a plain count of what was done. */
#include "state/histograms.h"

#include <pthread.h>
#include <sched.h>

#include "platform/platform.h"
#include "random.h"
#include "services/history.h"
#include "state/series.h"
#include "tap.h"
#include "tracker.h"

#define BLOCKS 200
#define KINDS 4 /* of call sites */

/* ---- events, each kind at a call site of its own ---- */

static void *address_of(size_t block) { return (void *)((block + 1) << 12); }

static __attribute__((noinline)) void hook(struct cr_thread *thread, size_t block, size_t size)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    cr_on_alloc(thread, address_of(block), size, CR_KIND_MALLOC, &start);
}

#define SITE(n)                                                                                                        \
    static __attribute__((noinline)) void site_##n(struct cr_thread *thread, size_t block, size_t size)                \
    {                                                                                                                  \
        hook(thread, block, size);                                                                                     \
        __asm__ volatile("" ::: "memory");                                                                             \
    }
SITE(0)
SITE(1)
SITE(2)
SITE(3)

static __attribute__((noinline)) void at_site(struct cr_thread *thread, size_t kind, size_t block, size_t size)
{
    static void (*const site[KINDS])(struct cr_thread *, size_t, size_t) = {site_0, site_1, site_2, site_3};
    site[kind](thread, block, size);
    __asm__ volatile("" ::: "memory");
}

static unsigned log_2(uint64_t number)
{
    unsigned log = 0;
    while (number >>= 1)
        log++;
    return log;
}

/* ---- lifetimes and sizes ---- */

static struct truth {
    uint32_t item;
    uint64_t ended, temporary, apart[CR_LIVES_BY_ALLOCATIONS], size[CR_SIZES];
} truth[KINDS];

static bool holds(const struct truth *one)
{
    const struct cr_site *site = cr_site(one->item);
    const struct cr_site_extra *extra = cr_site_extra(one->item);
    const struct cr_histogram *lives = cr_histogram(extra->lives), *sizes = cr_histogram(extra->sizes);
    uint64_t ended = site->allocations - (uint64_t)site->live_blocks, listed = 0;
    bool right = ended == one->ended && extra->temporary == one->temporary;
    for (uint32_t i = 0; right && i < CR_LIVES_BY_ALLOCATIONS; i++)
        right = one->apart[i] == (extra->lives ? lives->lives.by_allocations[i] : 0);
    for (uint32_t i = 0; i < CR_SIZES; i++)
        listed += extra->sizes ? sizes->sizes[i] : 0;
    for (uint32_t i = 0; right && i < CR_SIZES; i++) {
        bool first = i == log_2(extra->size | 1);
        right = one->size[i] == (extra->sizes ? sizes->sizes[i] : 0) + (first ? ended - listed : 0);
    }
    return right && (!extra->lives || (lives->site == one->item && lives->kind == CR_HISTOGRAM_LIVES)) &&
           (!extra->sizes || (sizes->site == one->item && sizes->kind == CR_HISTOGRAM_SIZES));
}

static bool counts_all_that_ended(void)
{
    static struct {
        size_t size, kind;
        uint64_t number;
    } held[BLOCKS];
    uint64_t random = 7, made_so_far = 0;
    size_t last = BLOCKS;
    bool right = tracker_start();
    struct cr_thread *thread = cr_enter();
    for (int i = 0; right && i < 40000; i++) {
        size_t block = random_below(&random, random_below(&random, 2) ? BLOCKS : 4),
               kind = random_below(&random, KINDS);
        size_t sizes[KINDS] = {64, random_below(&random, 100), (size_t)1 << random_below(&random, 40),
                               random_below(&random, 2)};
        struct truth *one = &truth[held[block].kind];
        if (!held[block].number) {
            at_site(thread, kind, block, sizes[kind]);
            held[block].size = sizes[kind];
            held[block].kind = kind;
            held[block].number = ++made_so_far;
            uint32_t node = cr_record(thread->last_record)->node;
            right = !truth[kind].item || truth[kind].item == node;
            truth[kind].item = node;
            last = block;
            continue;
        }
        uint64_t apart = made_so_far - held[block].number;
        cr_on_free(thread, address_of(block), 0);
        one->ended++;
        one->temporary += block == last;
        if (block != last)
            one->apart[log_2(apart | 1) / 2]++;
        unsigned bucket = log_2(held[block].size | 1);
        one->size[bucket < CR_SIZES ? bucket : CR_SIZES - 1]++;
        held[block].number = 0;
        last = block == last ? BLOCKS : last;
    }
    for (int k = 0; right && k < KINDS; k++)
        right = truth[k].ended > 1000 && holds(&truth[k]);
    right = right && !cr_site_extra(truth[0].item)->sizes && cr_site_extra(truth[1].item)->sizes;
    cr_leave(thread);
    return tracker_end() && right;
}

static bool knows_how_long(void)
{
    bool right = tracker_start();
    struct cr_thread *thread = cr_enter();
    at_site(thread, 0, 1, 10);
    at_site(thread, 1, 2, 10);
    uint32_t item = cr_record(thread->last_record)->node;
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    cr_on_free(thread, address_of(2), 0); /* temporary, though it lived long */
    const struct cr_site_extra *extra = cr_site_extra(item);
    uint64_t counted = 0;
    for (uint32_t i = 2; i < 5; i++) /* 16 ms to 1 s */
        counted += cr_histogram(extra->lives)->lives.by_time[i];
    right = right && extra->temporary == 1 && extra->lives && counted == 1;
    cr_leave(thread);
    return tracker_end() && right;
}

/* ---- realloc ---- */

static __attribute__((noinline)) void resize(struct cr_thread *thread, size_t from, size_t to, size_t size)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    struct cr_resize step = {cr_on_resize_begin(thread, address_of(from), "realloc", 0), address_of(from),
                             address_of(to), size, 0};
    cr_on_resize_end(thread, &step, &start);
}

static bool follows_chains_of_realloc(void)
{
    bool right = tracker_start();
    struct cr_thread *thread = cr_enter();
    uint64_t copied = 0;
    size_t block = 1, size = 100;
    at_site(thread, 0, block, size);
    uint32_t item = 0;
    for (int i = 0; i < 18; i++) {
        bool moves = i % 3 == 0, shrinks = i == 9;
        size_t next = shrinks ? size - 50 : size + 70;
        copied += moves ? (next < size ? next : size) : 0;
        resize(thread, block, block + moves, next);
        block += moves;
        size = next;
        uint32_t node = cr_record(thread->last_record)->node;
        right = right && (!item || item == node || i == 0);
        item = node;
    }
    const struct cr_histogram *resizes = cr_histogram(cr_site_extra(item)->resizes);
    right = right && resizes->kind == CR_HISTOGRAM_RESIZES && resizes->site == item && resizes->resizes.grown == 17 &&
            resizes->resizes.shrunk == 1 && resizes->resizes.moved == 6 && resizes->resizes.copied_bytes == copied &&
            resizes->resizes.longest == 17;
    cr_on_free(thread, address_of(block), 0);
    at_site(thread, 0, block, 10); /* the same record, another block: its chain is new */
    right = right && cr_record_growth(cr_record(thread->last_record)) == 0;
    cr_leave(thread);
    return tracker_end() && right;
}

/* ---- series ---- */

static __attribute__((noinline)) void deep(struct cr_thread *thread, size_t block, size_t size, int depth)
{
    if (depth)
        deep(thread, block, size, depth - 1);
    else
        at_site(thread, 0, block, size);
    __asm__ volatile("" ::: "memory");
}

static _Atomic bool go_on = true;

static void *allocate(void *first_block)
{
    struct cr_thread *thread = cr_enter();
    for (size_t i = 0; i < BLOCKS; i++)
        deep(thread, *(size_t *)first_block + i, 1000 + i, (int)i);
    cr_leave(thread);
    while (atomic_load(&go_on)) /* else the other thread would get this one's items */
        sched_yield();
    return NULL;
}

/* 200 places, first of one thread and then of two, which have items of their own for them: the largest 63 are listed with the sums. */
static bool series_lists_the_largest(void)
{
    bool right = tracker_start();
    size_t first_block[2] = {0, 1000};
    pthread_t thread[2];
    cr_series_start();
    for (uint64_t n = 1; right && n <= 2; n++) {
        pthread_create(&thread[n - 1], NULL, allocate, &first_block[n - 1]);
        while (cr_recording_totals().allocations < n * BLOCKS)
            sched_yield();
        right = cr_series_point(n) && cr_history_count(&cr_series_points) == n;
        const struct cr_series_point *point = cr_history_entry(&cr_series_points, (uint32_t)n - 1);
        uint64_t sum = 0, least = UINT64_MAX;
        for (uint32_t i = 0; i < point->count; i++) {
            sum += point->top[i].bytes;
            least = point->top[i].bytes < least ? point->top[i].bytes : least;
            right = right && point->top[i].blocks == n;
        }
        right = right && point->time_ns == n && point->count == CR_SERIES_SITES && point->places == BLOCKS &&
                sum == n * (63u * (1137 + 1199) / 2) && least == n * 1137;
    }
    atomic_store(&go_on, false);
    pthread_join(thread[0], NULL);
    pthread_join(thread[1], NULL);
    return tracker_end() && right;
}

/* ---- threads ---- */

static void *named(void *name)
{
#ifdef __APPLE__
    pthread_setname_np(name);
#else
    pthread_setname_np(pthread_self(), name);
#endif
    struct cr_thread *thread = cr_enter();
    at_site(thread, 1, 5, 100);
    cr_on_free(thread, address_of(5), 0);
    at_site(thread, 1, 6, 50);
    cr_on_free(thread, address_of(6), 0);
    cr_leave(thread);
    return NULL;
}

static bool threads_keep_their_names(void)
{
    bool right = tracker_start();
    struct cr_thread *thread = cr_enter();
    at_site(thread, 0, 1, 7);
    cr_leave(thread);
    for (int i = 0; i < 3; i++) { /* one after the other: they share a slot */
        char name[16];
        pthread_t other;
        snprintf(name, sizeof name, "worker %d", i);
        pthread_create(&other, NULL, named, name);
        pthread_join(other, NULL);
    }
    right = right && section_count(CR_SECTION_THREADINFO) == 5;
    for (uint32_t i = 2; right && i < 5; i++) {
        const struct cr_thread_info *info = CR_SECTION_ITEM(struct cr_thread_info, CR_SECTION_THREADINFO, i);
        char name[16];
        snprintf(name, sizeof name, "worker %u", i - 2);
        right = info->state == CR_THREAD_INFO_ENDED && info->number == i && info->allocations == 2 &&
                info->frees == 2 && info->bytes_allocated == 150 && info->bytes_freed == 150 &&
                !strcmp(info->name, name) && info->end_ns >= info->start_ns && info->slot == 1;
    }
    return tracker_end() && right;
}

#define MANY 6000

static void *brief(void *unused)
{
    (void)unused;
    struct cr_thread *thread = cr_enter();
    at_site(thread, 1, 5, 10);
    cr_on_free(thread, address_of(5), 0);
    cr_leave(thread);
    return NULL;
}

static bool threads_beyond_the_limit_are_summed(void)
{
    bool right = tracker_start();
    struct cr_thread *thread = cr_enter();
    at_site(thread, 0, 1, 7);
    cr_leave(thread);
    for (int i = 0; right && i < MANY; i++) {
        pthread_t other;
        right = pthread_create(&other, NULL, brief, NULL) == 0 && pthread_join(other, NULL) == 0;
    }
    uint64_t allocations = 0, threads = 0;
    for (uint32_t i = 1; i < CR_THREAD_INFOS; i++) {
        const struct cr_thread_info *info = CR_SECTION_ITEM(struct cr_thread_info, CR_SECTION_THREADINFO, i);
        allocations += info->state == CR_THREAD_INFO_ENDED ? info->allocations : 0;
        threads += info->state != CR_THREAD_INFO_FREE;
        right = right && (i == 1 || info->number > MANY + 1 - CR_THREAD_INFOS); /* the last ones */
    }
    const struct cr_thread_info *sum = CR_SECTION_ITEM(struct cr_thread_info, CR_SECTION_THREADINFO, 0);
    right = right && section_count(CR_SECTION_THREADINFO) == CR_THREAD_INFOS && threads + sum->number == MANY + 1 &&
            allocations + sum->allocations == MANY && sum->bytes_allocated == sum->bytes_freed;
    return tracker_end() && right;
}

int main(void)
{
    ok(in_child(counts_all_that_ended), "lifetimes in allocations and sizes of all blocks that ended are counted");
    ok(in_child(knows_how_long), "a lifetime of 50 ms is counted as one, of a temporary block too");
    ok(in_child(follows_chains_of_realloc), "a block that grew 17 times is told so, with the bytes copied");
    ok(in_child(series_lists_the_largest), "a series point lists the places with most live bytes, summed over threads");
    ok(in_child(threads_keep_their_names),
       "ended threads keep their names and their own counts, though they share a slot");
    ok(in_child(threads_beyond_the_limit_are_summed),
       "of 6,000 threads the first ones are summed up, and none is lost");
    return tap_done();
}
