/* state/sites, through the recorder's events: counters per call stack and every stack's exact share of the peak, against a reference
 * that copies all stacks' live counts at each new peak. Several threads: sums over their items. */
#include "state/sites.h"

#include <time.h>

#include "events/run_folder.h"
#include "plugin.h"
#include "random.h"
#include "services/options.h"
#include "stacks.h"
#include "tap.h"
#include "threads.h"
#include "tracker.h"

#define ROUTES 40u
#define PLACES 300u
#define THREADS 8u

/* ---- events at the end of a route ---- */

struct act {
    struct cr_thread *thread;
    void *block;
    size_t size;
    bool resizes;
};

static void reached(struct stacks *stacks, const struct cr_unwind_start *start)
{
    const struct act *act = stacks->context;
    if (!act->resizes) {
        cr_on_alloc(act->thread, act->block, act->size, CR_KIND_MALLOC, start);
        return;
    }
    struct cr_resize resize = {cr_on_resize_begin(act->thread, act->block, "realloc", 0), act->block, act->block,
                               act->size, CR_KIND_REALLOC};
    cr_on_resize_end(act->thread, &resize, start);
}

static void perform(struct stacks route, struct act act)
{
    route.context = &act;
    stacks_run(&route);
}

/* Routes are unlike each other by their digits; the first ones lie on a common way. */
static struct stacks route_of(uint32_t number)
{
    struct stacks route = {.depth = 3 + number % 5, .leaf = (uint8_t)(number & 1), .reached = reached};
    for (uint32_t i = 3; i-- > 0; number /= 4)
        route.digit[i] = (uint8_t)(number % 4);
    return route;
}

static void *place(uint64_t i) { return (void *)(0x100000000000 + i * 64); }

/* The item of a live block. */
static uint32_t item_of(void *block) { return cr_record(*cr_block_slot((uintptr_t)block, false))->node; }

/* ---- one thread ---- */

struct counts {
    uint64_t allocations, bytes, temporary;
    int64_t live_bytes, live_blocks, peak_bytes, peak_blocks;
};

static struct {
    struct counts route[ROUTES];
    uint32_t item[ROUTES];
    struct {
        uint32_t route;
        size_t size;
    } place[PLACES]; /* route 0 at no block, else its number plus one */
    int64_t live, peak;
    uint32_t newest; /* the place allocated at last, plus one, while no other was */
} truth;

static void truth_birth(uint32_t i, uint32_t route, size_t size)
{
    struct counts *counts = &truth.route[route];
    counts->allocations++;
    counts->bytes += size;
    counts->live_bytes += (int64_t)size;
    counts->live_blocks++;
    truth.place[i].route = route + 1;
    truth.place[i].size = size;
    truth.live += (int64_t)size;
    truth.newest = i + 1;
    if (truth.live <= truth.peak)
        return;
    truth.peak = truth.live;
    for (uint32_t r = 0; r < ROUTES; r++) {
        truth.route[r].peak_bytes = truth.route[r].live_bytes;
        truth.route[r].peak_blocks = truth.route[r].live_blocks;
    }
}

static void truth_death(uint32_t i)
{
    struct counts *counts = &truth.route[truth.place[i].route - 1];
    counts->live_bytes -= (int64_t)truth.place[i].size;
    counts->live_blocks--;
    counts->temporary += truth.newest == i + 1;
    truth.live -= (int64_t)truth.place[i].size;
    truth.place[i].route = 0;
}

/* Whether the site holds what the reference does. */
static bool is_true(uint32_t item, const struct counts *counts)
{
    const struct cr_site *site = cr_site(item);
    bool at_peak = site->epoch == cr_recording->peak_epoch;
    return site->allocations == counts->allocations && site->bytes == counts->bytes &&
           site->live_bytes == counts->live_bytes && site->live_blocks == counts->live_blocks &&
           cr_site_extra(item)->temporary == counts->temporary &&
           (at_peak ? site->peak_bytes : site->live_bytes) == counts->peak_bytes &&
           (at_peak ? site->peak_blocks : site->live_blocks) == counts->peak_blocks;
}

static bool all_are_true(void)
{
    for (uint32_t r = 0; r < ROUTES; r++)
        if (truth.item[r] && !is_true(truth.item[r], &truth.route[r]))
            return false;
    return true;
}

/* One event, and whether its stack has the one item it always had. */
static bool event(struct cr_thread *thread, uint64_t *random, uint64_t most_bytes, uint64_t frees)
{
    uint32_t i = (uint32_t)random_below(random, PLACES), route = (uint32_t)random_below(random, ROUTES);
    if (truth.newest && random_below(random, 4) == 0)
        i = truth.newest - 1;
    struct act act = {thread, place(i), (size_t)random_below(random, most_bytes), truth.place[i].route != 0};
    if (act.resizes && random_below(random, 10) < frees) {
        truth_death(i);
        return cr_on_free(thread, act.block, 0);
    }
    if (act.resizes)
        truth_death(i);
    perform(route_of(route), act);
    truth_birth(i, route, act.size);
    uint32_t item = item_of(act.block), before = truth.item[route];
    truth.item[route] = item;
    return item && (!before || item == before);
}

static uint64_t run_seed;

/* Runs differ in how large blocks get and how the heap swells and shrinks. */
static bool one_run_is_exact(void)
{
    uint64_t random = run_seed, most_bytes = (uint64_t)1 << (4 + random_below(&random, 18));
    bool right = tracker_start();
    struct cr_thread *thread = cr_enter();
    for (int phase = 0; right && phase < 12; phase++) {
        uint64_t frees = random_below(&random, 10);
        for (int i = 0; right && i < 250; i++)
            right = event(thread, &random, most_bytes, frees) && all_are_true();
        if (random_below(&random, 3) == 0)
            cr_recording_hand_in(thread->slot);
    }
    cr_leave(thread);
    return tracker_end() && right;
}

static void test_random_runs(void)
{
    int exact = 0, runs = 40;
    for (run_seed = 1; run_seed <= (uint64_t)runs; run_seed++)
        exact += in_child(one_run_is_exact);
    ok(exact == runs, "every site is exact after every event, its share of the peak too, in %d of %d runs", exact,
       runs);
}

/* ---- lifetimes ---- */

static bool lifetime_is_the_time_between(void)
{
    bool right = tracker_start();
    struct cr_thread *thread = cr_enter();
    perform(route_of(1), (struct act){thread, place(1), 10, false});
    perform(route_of(2), (struct act){thread, place(2), 10, false});
    const struct cr_site_extra *slow = cr_site_extra(item_of(place(1))), *quick = cr_site_extra(item_of(place(2)));
    cr_on_free(thread, place(2), 0);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    perform(route_of(3), (struct act){thread, place(1), 20, true}); /* realloc ends the old one */
    cr_leave(thread);
    right = right && slow->lifetime_ns > 30000000 && slow->lifetime_ns < 30000000000 &&
            quick->lifetime_ns < slow->lifetime_ns;
    return tracker_end() && right;
}

/* ---- several threads ---- */

static _Atomic int64_t made[ROUTES], made_bytes[ROUTES], live[ROUTES];
static _Atomic uint64_t first_item[ROUTES];
static _Atomic uint64_t mailbox[64]; /* a place's number and its route: number << 8 | route */

struct worker {
    uint64_t self, random;
};

static void *exchange(void *argument)
{
    struct worker *worker = argument;
    for (uint64_t i = 1; i <= 6000; i++) {
        struct cr_thread *thread = cr_enter();
        uint32_t route = (uint32_t)random_below(&worker->random, ROUTES);
        uint64_t mail = (worker->self * 10000 + i) << 8 | route;
        perform(route_of(route), (struct act){thread, place(mail >> 8), route + 1, false});
        made[route]++;
        made_bytes[route] += route + 1;
        live[route]++;
        first_item[route] = item_of(place(mail >> 8));
        mail = atomic_exchange(&mailbox[random_below(&worker->random, 64)], mail);
        if (mail) {
            live[mail & 255]--;
            cr_on_free(thread, place(mail >> 8), 0);
        }
        cr_leave(thread);
    }
    return NULL;
}

/* The sums over all items of a place. */
static struct counts sum_of(const struct cr_site *place_of)
{
    struct counts sum = {0};
    for (uint32_t i = 1; i < section_count(CR_SECTION_SITES); i++) {
        const struct cr_site *site = cr_site(i);
        if (site->parent != place_of->parent || site->address != place_of->address)
            continue;
        sum.allocations += site->allocations;
        sum.bytes += site->bytes;
        sum.live_bytes += site->live_bytes;
        sum.live_blocks += site->live_blocks;
    }
    return sum;
}

static bool sites_make_up_the_totals(void)
{
    struct cr_totals totals = cr_recording_totals();
    int64_t bytes = 0, blocks = 0;
    for (uint32_t i = 1; i < section_count(CR_SECTION_SITES); i++) {
        bytes += cr_site(i)->live_bytes;
        blocks += cr_site(i)->live_blocks;
    }
    return bytes == (int64_t)totals.live_bytes && blocks == (int64_t)totals.live_blocks;
}

static bool threads_are_exact(void)
{
    struct worker worker[THREADS];
    bool right = tracker_start();
    for (size_t i = 0; i < THREADS; i++)
        worker[i] = (struct worker){i, i + 1};
    threads_run(THREADS, exchange, worker, sizeof *worker);
    for (uint32_t r = 0; r < ROUTES; r++) {
        struct counts sum = sum_of(cr_site((uint32_t)first_item[r]));
        right = right && sum.allocations == (uint64_t)made[r] && sum.bytes == (uint64_t)made_bytes[r] &&
                sum.live_blocks == live[r] && sum.live_bytes == live[r] * (int64_t)(r + 1);
    }
    right = right && sites_make_up_the_totals();
    return tracker_end() && right;
}

static void *make_one(void *argument)
{
    struct cr_thread *thread = cr_enter();
    perform(route_of(5), (struct act){thread, argument, 100, false});
    cr_leave(thread);
    return NULL;
}

static bool free_of_anothers_block_is_its_own_item(void)
{
    bool right = tracker_start();
    struct cr_thread *thread = cr_enter();
    threads_run(1, make_one, place(9), 0);
    uint32_t theirs = item_of(place(9)), count = section_count(CR_SECTION_SITES);
    cr_on_free(thread, place(9), 0);
    cr_leave(thread);
    const struct cr_site *own = cr_site(section_count(CR_SECTION_SITES) - 1);
    right = right && section_count(CR_SECTION_SITES) > count && own->allocations == 0 && own->live_bytes == -100 &&
            own->live_blocks == -1 && own->parent == cr_site(theirs)->parent && own->pc == cr_site(theirs)->pc &&
            own->slot == thread->slot_item && cr_site(theirs)->live_bytes == 100 && sites_make_up_the_totals();
    return tracker_end() && right;
}

/* ---- modules that go ---- */

static void test_plugin(void)
{
    static struct cr_leaves mine, theirs;
    struct plugin plugin;
    if (!tracker_start() || !plugin_build(&plugin, "plugin", 1) || !plugin_open(&plugin)) {
        skip("no compiler here");
        return;
    }
    uintptr_t own = (uintptr_t)test_plugin + 1;
    uint32_t stays = cr_site_find(&mine, 1, 0, own), goes = cr_site_find(&mine, 1, 0, plugin.address);
    uint32_t copy = cr_site_own(&theirs, 2, goes);
    ok(plugin_close(&plugin) && cr_site_find(&mine, 1, 0, own) == stays,
       "when a module goes, other places keep their items");
    uint32_t new = cr_site_find(&mine, 1, 0, plugin.address);
    ok(new != goes &&cr_site(new)->pc != cr_site(goes)->pc, "its own are found no more, the address is another place");
    uint32_t late = cr_site_own(&theirs, 2, goes);
    ok(cr_site(late)->pc == cr_site(goes)->pc && cr_site(late)->slot == 2 && cr_site(copy)->pc == cr_site(goes)->pc,
       "what other threads free of it later still counts there");
    ok(cr_site_own(&theirs, 2, goes) == late && cr_site_find(&theirs, 2, 0, plugin.address) != late,
       "in an item of its own");
    plugin_remove(&plugin);
    tracker_end();
}

/* ---- temporary ---- */

static void *free_one(void *argument)
{
    struct cr_thread *thread = cr_enter();
    cr_on_free(thread, argument, 0);
    perform(route_of(4), (struct act){thread, argument, 100, false}); /* takes the same record */
    cr_leave(thread);
    return NULL;
}

static bool temporary_is_of_the_same_thread(void)
{
    bool right = tracker_start();
    struct cr_thread *thread = cr_enter();
    perform(route_of(5), (struct act){thread, place(9), 100, false});
    uint32_t own = item_of(place(9));
    threads_run(1, free_one, place(9), 0);
    uint32_t theirs = item_of(place(9));
    cr_on_free(thread, place(9), 0);
    cr_leave(thread);
    for (uint32_t i = 1; i < section_count(CR_SECTION_SITES); i++)
        right = right && cr_site_extra(i)->temporary == 0;
    return tracker_end() && right && own != theirs;
}

/* ---- fork ---- */

static bool start_run_folder(void)
{
    if (!mkdtemp(tracker_folder))
        return false;
    strcpy(cr_options.out, tracker_folder);
    cr_options.children = true;
    if (cr_run_folder_start() || cr_threads_start())
        return false;
    atomic_store(&cr_active, true);
    return true;
}

static bool child_counts_what_is_live(void)
{
    bool right = start_run_folder();
    struct cr_thread *thread = cr_enter();
    const struct cr_site *site = NULL;
    pid_t child = 1;
    for (uint32_t i = 0; i <= 20; i++) {
        if (i == 20) { /* in the midst, so that both go on from the same line */
            cr_on_free(thread, place(0), 0);
            site = cr_site(item_of(place(10)));
            cr_recording_before_fork();
            child = fork();
        }
        if (child == 0) {
            cr_run_folder_fork();
            right = right && site->live_bytes == 110 && site->live_blocks == 1 && site->allocations == 0 &&
                    sites_make_up_the_totals();
        }
        perform(route_of(i % 10), (struct act){thread, place(i), 100 + i, false});
    }
    if (child == 0) {
        cr_on_free(thread, place(10), 0);
        right = right && site->live_bytes == 120 && site->allocations == 1 && sites_make_up_the_totals() &&
                site->epoch == cr_recording->peak_epoch && site->peak_bytes == 230;
        _exit(right ? 0 : 1);
    }
    int status = 1;
    char command[100];
    waitpid(child, &status, 0);
    snprintf(command, sizeof command, "rm -r %s", tracker_folder);
    return system(command) == 0 && right && status == 0 && site->allocations == 3;
}

int main(void)
{
    test_random_runs();
    ok(in_child(lifetime_is_the_time_between), "lifetimes are the time between allocation and end");
    ok(in_child(threads_are_exact),
       "sums over the items of a place are exact, whoever frees, and together they are the totals");
    ok(in_child(free_of_anothers_block_is_its_own_item),
       "what a thread frees of another's is an item of its own, below zero");
    ok(in_child(temporary_is_of_the_same_thread), "a block that another thread made is not temporary");
    ok(in_child(child_counts_what_is_live), "a forked child has all sites, with what is live there");
    test_plugin(); /* last: it has the tracker of this process */
    return tap_done();
}
