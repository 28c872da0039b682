/* events/errors: what is kept, counted and left out; whole stacks; a fork begins without any. */
#include "events/errors.h"

#include "services/options.h"
#include "tap.h"
#include "threads.h"
#include "tracker.h"

#include <errno.h>
#include <signal.h>

#define THREADS 4
#define REPEATS 500

static const struct cr_error *kept(uint32_t i) { return CR_SECTION_ITEM(struct cr_error, CR_SECTION_ERRORS, i); }

static bool report(uint32_t kind, uint32_t stack)
{
    struct cr_thread *thread = cr_enter();
    struct cr_error error = {.kind = kind, .stack = stack, .address = 0x1230, .function = "free"};
    bool first = cr_error_report(thread, &error);
    cr_leave(thread);
    return first;
}

static bool repeats_are_counted(void)
{
    bool right = tracker_start();
    errno = 77;
    right = report(CR_ERROR_DOUBLE_FREE, 20) && !report(CR_ERROR_DOUBLE_FREE, 20) && errno == 77 && right;
    right = report(CR_ERROR_FREE_STACK, 20) && report(CR_ERROR_DOUBLE_FREE, 21) && right;
    right = right && section_count(CR_SECTION_ERRORS) == 3 && kept(0)->count == 2 && kept(1)->count == 1;
    right = right && kept(0)->thread == 1 && kept(0)->time_ns > 0 && !strcmp(kept(0)->function, "free");
    right = right && cr_recording->errors == 4 && cr_recording->errors_left_out == 0;
    return tracker_end() && right;
}

static bool a_thousand_are_kept(void)
{
    bool right = tracker_start();
    for (uint32_t i = 0; i < CR_ERRORS_MOST + 50; i++)
        right = report(CR_ERROR_FREE_INSIDE, 100 + i * 7) && right;
    for (uint32_t i = 0; i < CR_ERRORS_MOST; i++)
        right =
            !report(CR_ERROR_FREE_INSIDE, 100 + i * 7) && kept(i)->count == 2 && kept(i)->stack == 100 + i * 7 && right;
    right = right && section_count(CR_SECTION_ERRORS) == CR_ERRORS_MOST;
    right = right && cr_recording->errors == 2 * CR_ERRORS_MOST + 50 && cr_recording->errors_left_out == 50;
    return tracker_end() && right;
}

static void *report_many(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < REPEATS; i++)
        report(CR_ERROR_DOUBLE_FREE, 20 + i % 50);
    return NULL;
}

static bool threads_report_at_once(void)
{
    bool right = tracker_start();
    threads_run(THREADS, report_many, NULL, 0);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < section_count(CR_SECTION_ERRORS); i++)
        sum += kept(i)->count;
    right = right && section_count(CR_SECTION_ERRORS) == 50 && sum == THREADS * REPEATS && cr_recording->errors == sum;
    return tracker_end() && right;
}

/* ---- stacks ---- */

static __attribute__((noinline)) uint32_t here(uintptr_t *caller)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    struct cr_thread *thread = cr_enter();
    *caller = start.pc;
    uint32_t node = cr_stack_here(thread, &start);
    cr_leave(thread);
    return node;
}

static uintptr_t address_in(uint32_t node)
{
    uint32_t pc = CR_SECTION_ITEM(struct cr_node, CR_SECTION_NODES, node)->pc;
    return (uintptr_t)(CR_SECTION_ITEM(struct cr_pc, CR_SECTION_PCS, pc)->address_module & 0xffffffffffff);
}

static __attribute__((noinline)) uint32_t deeper(uintptr_t *caller)
{
    uint32_t node = here(caller);
    __asm__ volatile("");
    return node;
}

static bool stacks_are_whole(void)
{
    bool right = tracker_start();
    uintptr_t first, second, third;
    uint32_t a = deeper(&first), b = 0, c = 0;
    for (int i = 0; i < 2; i++)
        b = deeper(&second);
    c = here(&third);
    const struct cr_node *node = CR_SECTION_ITEM(struct cr_node, CR_SECTION_NODES, a);
    right = right && a >= CR_MARKERS && address_in(a) == first && address_in(b) == second && address_in(c) == third;
    right = right && first == second && node->parent >= CR_MARKERS && c != a && b != a; /* called from other lines */
    uint32_t alone = cr_stack_of_caller(first);
    right = right && CR_SECTION_ITEM(struct cr_node, CR_SECTION_NODES, alone)->parent == CR_MARKER_CALLER &&
            address_in(alone) == first && !cr_stack_of_caller(0);
    return tracker_end() && right;
}

/* ---- fork, abort ---- */

static bool a_child_begins_without(void)
{
    bool right = tracker_start() && report(CR_ERROR_DOUBLE_FREE, 20);
    char folder[] = "/tmp/crunch-unit-XXXXXX";
    right = right && mkdtemp(folder);
    cr_recording_before_fork();
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        bool fresh = !cr_recording_fork(folder);
        cr_errors_fork();
        cr_threads_fork(cr_recording->threads);
        fresh = fresh && !cr_recording->errors && !section_count(CR_SECTION_ERRORS);
        fresh = report(CR_ERROR_DOUBLE_FREE, 20) && fresh && section_count(CR_SECTION_ERRORS) == 1;
        _exit(fresh ? 0 : 1);
    }
    int status = 1;
    right = waitpid(child, &status, 0) == child && !status && right;
    right = right && cr_recording->errors == 1 && kept(0)->count == 1;
    char path[200];
    snprintf(path, sizeof path, "%s/recording", folder);
    right = !unlink(path) && !rmdir(folder) && right;
    return tracker_end() && right;
}

static bool the_first_one_aborts(bool blocked)
{
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        tracker_start();
        unlink(tracker_path("recording")); /* it is mapped; nobody is left to do that later */
        rmdir(tracker_folder);
        sigset_t all;
        sigfillset(&all);
        if (blocked)
            pthread_sigmask(SIG_BLOCK, &all, NULL);
        signal(SIGABRT, SIG_IGN); /* the default action takes its place */
        cr_options.abort_on_error = true;
        report(CR_ERROR_DOUBLE_FREE, 20);
        _exit(9);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

int main(void)
{
    ok(in_child(repeats_are_counted), "an error is kept once and counted as often as it happens; errno stays");
    ok(in_child(a_thousand_are_kept), "1,000 different ones are kept, the others counted");
    ok(in_child(threads_report_at_once), "threads that report the same errors at once make one item of each");
    ok(in_child(stacks_are_whole), "a stack is a node whose frames are the callers'");
    ok(in_child(a_child_begins_without), "a child of fork begins without errors");
    ok(the_first_one_aborts(false), "--abort-on-error ends the program by SIGABRT");
    ok(the_first_one_aborts(true), "also where the signal is blocked and ignored");
    return tap_done();
}
