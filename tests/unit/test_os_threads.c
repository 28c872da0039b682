/* platform: other threads stopped and let go, and where they stand. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/unwind.h"
#include "platform/platform.h"
#include "tap.h"
#include "threads.h"

#define RUNNERS 8
#define WAITS 30000 /* of 1 ms each at least: other programs may take the processors */

static struct runner {
    _Atomic uint64_t count; /* goes up while it runs */
    _Atomic uint64_t id;
    uintptr_t frame;
} runner[RUNNERS];
static _Atomic bool over;

__attribute__((noinline)) static void *run(void *argument)
{
    struct runner *self = argument;
    self->frame = (uintptr_t)__builtin_frame_address(0);
    atomic_store(&self->id, cr_os_thread_id());
    while (!atomic_load(&over))
        atomic_fetch_add(&self->count, 1);
    return NULL;
}

static pthread_t start(void *(*work)(void *), void *argument, const _Atomic uint64_t *id)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, argument))
        abort();
    while (!atomic_load(id))
        sched_yield();
    return thread;
}

static const struct cr_os_stopped *find(const struct cr_os_stop *stop, uint64_t id)
{
    for (size_t i = 0; i < stop->count; i++)
        if (stop->thread[i].id == id)
            return &stop->thread[i];
    return NULL;
}

static uint64_t sum(void)
{
    uint64_t total = 0;
    for (int i = 0; i < RUNNERS; i++)
        total += atomic_load(&runner[i].count);
    return total;
}

static void pause_ms(long ms)
{
    struct timespec time = {0, ms * 1000000};
    nanosleep(&time, NULL);
}

/* Waits until a counter goes up. Whether it does. */
static bool wait_for_count(const _Atomic uint64_t *count, uint64_t from)
{
    for (int i = 0; i < WAITS && atomic_load(count) == from; i++)
        pause_ms(1);
    return atomic_load(count) != from;
}

/* How many other threads there are: one that has been joined is there for a moment longer. */
static size_t count_others(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/task");
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count - 1;
}

/* Waits until that many are left. Whether it came to that. */
static bool wait_for_ends(size_t left)
{
    for (int i = 0; i < WAITS && count_others() != left; i++)
        pause_ms(1);
    return count_others() == left;
}

/* Waits until a thread sleeps in the kernel. */
static void wait_for_sleep(uint64_t id)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%llu/stat", (unsigned long long)id);
    for (int i = 0; i < WAITS && !strstr(text, ") S "); i++) {
        pause_ms(1);
        FILE *file = fopen(path, "r");
        text[file ? fread(text, 1, sizeof text - 1, file) : 0] = '\0';
        if (file)
            fclose(file);
    }
}

static bool holds(const struct cr_os_stopped *thread, uintptr_t value)
{
    for (size_t i = 0; i < CR_OS_REGISTER_WORDS; i++)
        if (thread->registers.word[i] == value)
            return true;
    for (uintptr_t at = (thread->stack_low + 7) & ~(uintptr_t)7; at < thread->stack_high; at += 8) {
        uintptr_t word = 0;
        if (cr_os_read_memory(at, &word, sizeof word) == sizeof word && word == value)
            return true;
    }
    return false;
}

static void test_running(void)
{
    pthread_t thread[RUNNERS];
    over = false;
    for (int i = 0; i < RUNNERS; i++)
        thread[i] = start(run, &runner[i], &runner[i].id);
    struct cr_os_stop stop;
    bool still = true, known = true, placed = true, moving = true;
    for (int round = 0; round < 20; round++) {
        if (cr_os_threads_stop(round % 2, &stop)) {
            still = false;
            break;
        }
        uint64_t before = sum(), counts[RUNNERS];
        for (int i = 0; i < RUNNERS; i++) {
            counts[i] = atomic_load(&runner[i].count);
            const struct cr_os_stopped *one = find(&stop, runner[i].id);
            known = known && one && one->standing == CR_OS_STOPPED && one->registers.whole;
            placed = placed && one && runner[i].frame - one->stack_low < one->stack_high - one->stack_low &&
                     one->registers.sp <= runner[i].frame;
        }
        pause_ms(2);
        still = still && sum() == before;
        cr_os_threads_go(false);
        for (int i = 0; i < RUNNERS;
             i++) /* one that counts has left crunch's handler, in which all signals are blocked */
            moving = moving && wait_for_count(&runner[i].count, counts[i]);
    }
    ok(still, "stopped threads do not run");
    ok(known, "each is told by its number, with its registers");
    ok(placed, "and with the part of its stack that is in use");
    ok(moving, "let go, they run on");
    atomic_store(&over, true);
    for (int i = 0; i < RUNNERS; i++)
        pthread_join(thread[i], NULL);
}

/* ---- threads that sleep, block signals, wait for signals ---- */

static int pipe_ends[2];
static sem_t semaphore;
static _Atomic uint64_t reader_id, poller_id, deaf_id, waiter_id, sleeper_id;
static _Atomic int poll_error, sleep_error, wait_result;

static void *reads(void *unused)
{
    (void)unused;
    char byte;
    atomic_store(&reader_id, cr_os_thread_id());
    return read(pipe_ends[0], &byte, 1) == 1 ? "read" : NULL;
}

static void *polls(void *marker)
{
    struct pollfd none = {.fd = -1};
    uintptr_t *volatile held = marker;
    atomic_store(&poller_id, cr_os_thread_id());
    while (!atomic_load(&over))
        if (poll(&none, 1, 20) < 0)
            atomic_store(&poll_error, errno);
    return (void *)held;
}

static void *is_deaf(void *marker)
{
    sigset_t all;
    uintptr_t *volatile held = marker;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    atomic_store(&deaf_id, cr_os_thread_id());
    while (sem_wait(&semaphore))
        ;
    return (void *)held;
}

static void *waits(void *unused)
{
    (void)unused;
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    atomic_store(&waiter_id, cr_os_thread_id());
    int number;
    atomic_store(&wait_result, sigwait(&all, &number) ? -1 : number);
    return NULL;
}

static void *sleeps(void *unused)
{
    (void)unused;
    struct timespec time = {0, 100000000};
    atomic_store(&sleeper_id, cr_os_thread_id());
    while (!atomic_load(&over))
        if (nanosleep(&time, NULL))
            atomic_store(&sleep_error, errno);
    return NULL;
}

static void test_sleeping(void)
{
    static uintptr_t marker[2];
    struct cr_os_stop stop;
    over = false;
    ok(!pipe(pipe_ends) && !sem_init(&semaphore, 0, 0), "a pipe and a semaphore");
    pthread_t reader = start(reads, NULL, &reader_id), poller = start(polls, &marker[0], &poller_id),
              deaf = start(is_deaf, &marker[1], &deaf_id), waiter = start(waits, NULL, &waiter_id),
              sleeper = start(sleeps, NULL, &sleeper_id);
    const uint64_t sleeping[] = {reader_id, deaf_id, waiter_id, sleeper_id};
    bool all = wait_for_ends(5), deaf_held = true, poll_held = true;
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < sizeof sleeping / sizeof *sleeping; i++)
            wait_for_sleep(sleeping[i]);
        if (cr_os_threads_stop(true, &stop)) {
            all = false;
            break;
        }
        const struct cr_os_stopped *one = find(&stop, deaf_id), *two = find(&stop, poller_id),
                                   *three = find(&stop, reader_id);
        all = all && stop.count == 5 && one && two && three && find(&stop, waiter_id);
        deaf_held = deaf_held && one && one->standing != CR_OS_AT_LARGE && holds(one, (uintptr_t)&marker[1]);
        poll_held = poll_held && two && two->standing != CR_OS_AT_LARGE && holds(two, (uintptr_t)&marker[0]);
        all = all && three && three->standing == CR_OS_STOPPED;
        cr_os_threads_go(false);
    }
    ok(all, "sleeping threads, deaf ones and those that wait for signals are all told");
    ok(deaf_held, "the stack of a thread that blocks all signals is told");
    ok(poll_held, "and that of one in poll");
    ok(write(pipe_ends[1], "x", 1) == 1 && !sem_post(&semaphore), "they can go on");
    void *result = NULL;
    pthread_join(reader, &result);
    ok(result && !strcmp(result, "read"), "a read that was under way goes on");
    pthread_join(deaf, &result);
    ok(result == &marker[1], "the deaf thread ends as ever");
    atomic_store(&over, true);
    pthread_join(poller, NULL);
    pthread_join(sleeper, NULL);
    ok(!poll_error && !sleep_error, "poll and nanosleep of a thread stopped gently return no error");
    ok(!atomic_load(&wait_result), "sigwait has met no signal of crunch's");
    pthread_kill(waiter, SIGUSR1);
    pthread_join(waiter, NULL);
    ok(atomic_load(&wait_result) == SIGUSR1, "but the program's");
}

/* ---- threads that come and go ---- */

static void *briefly(void *unused) { return unused; }

static void *breeds(void *id)
{
    atomic_store((_Atomic uint64_t *)id, cr_os_thread_id());
    while (!atomic_load(&over)) {
        pthread_t thread;
        if (!pthread_create(&thread, NULL, briefly, NULL))
            pthread_join(thread, NULL);
    }
    return NULL;
}

static void test_coming_and_going(void)
{
    _Atomic uint64_t id[2] = {0, 0};
    over = false;
    pthread_t one = start(breeds, &id[0], &id[0]), two = start(breeds, &id[1], &id[1]);
    struct cr_os_stop stop;
    bool whole = true;
    for (int i = 0; i < 100; i++) {
        whole = whole && !cr_os_threads_stop(false, &stop) && find(&stop, id[0]) && find(&stop, id[1]);
        cr_os_threads_go(false);
    }
    ok(whole, "threads that come and go are stopped");
    atomic_store(&over, true);
    pthread_join(one, NULL);
    pthread_join(two, NULL);
    ok(wait_for_ends(0) && !cr_os_threads_stop(false, &stop) && stop.count == 0,
       "when they have ended there is nobody to stop");
    ok(cr_os_threads_stop(false, &stop) == -EBUSY, "a second stop at the same time is refused");
    cr_os_threads_go(false);
}

/* ---- a fork while threads are stopped ---- */

static bool all_default(void)
{
    struct sigaction action;
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        if (!sigaction(number, NULL, &action) && action.sa_handler != SIG_DFL)
            return false;
    return true;
}

static void test_fork(void)
{
    struct cr_os_stop stop;
    int status = -1;
    bool stopped = !cr_os_threads_stop(false, &stop);
    pid_t child = fork();
    if (!child) {
        cr_os_threads_forked();
        bool right = all_default() && !cr_os_threads_stop(false, &stop);
        cr_os_threads_go(false);
        _exit(right && all_default() ? 0 : 1);
    }
    cr_os_threads_go(false);
    waitpid(child, &status, 0);
    ok(stopped && status == 0, "a child that is forked meanwhile has no signal handler of it, and can stop threads");
    ok(all_default(), "nor has the process afterwards");
}

/* ---- the walk from registers ---- */

static _Atomic uint64_t deep_id, deep_count;
static _Atomic bool arrived;
static uintptr_t called_from[3];

__attribute__((noinline)) static void innermost(void)
{
    called_from[0] = (uintptr_t)__builtin_return_address(0);
    atomic_store(&arrived, true);
    while (!atomic_load(&over))
        atomic_fetch_add(&deep_count, 1);
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) static void middle(void)
{
    called_from[1] = (uintptr_t)__builtin_return_address(0);
    innermost();
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) static void *outer(void *unused)
{
    atomic_store(&deep_id, cr_os_thread_id());
    middle();
    __asm__ volatile("" ::: "memory");
    return unused;
}

static void test_walk(void)
{
    static struct cr_unwind_state state;
    struct cr_os_stop stop;
    over = false;
    pthread_t thread = start(outer, NULL, &deep_id);
    while (!atomic_load(&arrived))
        sched_yield();
    bool right = true;
    for (int i = 0; i < 10; i++) {
        if (cr_os_threads_stop(false, &stop)) {
            right = false;
            break;
        }
        const struct cr_os_stopped *one = find(&stop, deep_id);
        memset(&state, 0, sizeof state);
        state.stack_low = one->stack_low;
        state.stack_high = one->stack_high;
        struct cr_unwind_stack stack = cr_unwind_capture_registers(&state, &one->registers);
        right = right && stack.frames > 3 && state.pc[stack.frames - 1] == one->registers.pc + 1;
        bool met = false;
        for (uint32_t f = 1; f < stack.frames; f++)
            met = met || (state.pc[f] == called_from[0] && state.pc[f - 1] == called_from[1]);
        right = right && met;
        uint64_t count = atomic_load(&deep_count);
        cr_os_threads_go(false);
        wait_for_count(&deep_count, count);
    }
    ok(right, "a stopped thread's stack is walked from its registers");
    atomic_store(&over, true);
    pthread_join(thread, NULL);
}

int main(void)
{
#if defined(__SANITIZE_THREAD__)
    skip("a stopped thread may hold one of ThreadSanitizer's own locks");
    return tap_done();
#endif
    test_running();
    test_sleeping();
    test_coming_and_going();
    test_fork();
    test_walk();
    return tap_done();
}
