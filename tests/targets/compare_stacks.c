/* A library to preload: at every malloc, calloc and realloc, and in a SIGPROF handler on request, it captures the stack with
 * crunch's unwinder and asks another one: glibc's backtrace(), or libunwind when built with COMPARE_LIBUNWIND.
 *
 * Environment: COMPARE_OUT a file, to which each process appends its counts as a line of JSON; COMPARE_EVERY n asks the other
 * unwinder at each n-th capture only; COMPARE_PROFILE microseconds between two signals. */
#define UNW_LOCAL_ONLY
#include "base/unwind.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#if defined(COMPARE_LIBUNWIND)
#include <libunwind.h>
#endif

#define MOST 4096
#define SHOWN 4
#define EXPORTED __attribute__((visibility("default"), noinline))
#define PER_THREAD __thread __attribute__((tls_model("initial-exec")))

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

struct thread {
    struct cr_unwind_state state;
    void *reference[MOST];
};

static PER_THREAD struct thread *thread;
static PER_THREAD volatile sig_atomic_t inside;
static volatile bool ready;
static uint64_t every;
static struct {
    uintptr_t low, high;
} libgcc;
static struct {
    timer_t timer;
    long period; /* microseconds */
} profile;
static struct {
    _Atomic uint64_t captures, fresh, truncated, compared, not_asked;
    _Atomic uint64_t memo_wrong;      /* a frame said to be the previous stack's is not */
    _Atomic uint64_t wrong;           /* a frame differs */
    _Atomic uint64_t shorter, longer; /* none does, but one of the two goes on; not for crunch's limit of depth */
    _Atomic uint64_t given_up; /* longer or wrong, where the other finds no way out of what a signal interrupted */
    _Atomic uint64_t ends[CR_UNWIND_ENDS];
} counts;

/* ---- the other unwinder ---- */

#if defined(COMPARE_LIBUNWIND)
static int ask(void **pc)
{
    unw_context_t context;
    unw_cursor_t cursor;
    unw_word_t ip = 1;
    int count = 0;
    unw_getcontext(&context);
    unw_init_local(&cursor, &context);
    do {
        unw_get_reg(&cursor, UNW_REG_IP, &ip);
        pc[count] = (void *)ip;
    } while (ip && ++count < MOST && unw_step(&cursor) > 0);
    return count;
}
#else
static int ask(void **pc) { return backtrace(pc, MOST); }
#endif

static int find_libgcc(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    if (!strstr(info->dlpi_name, "libgcc_s"))
        return 0;
    libgcc.low = info->dlpi_addr;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_LOAD)
            libgcc.high = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
    }
    return 1;
}

/* Half way through these the stack pointer is one context's and the other registers are another's, which no table tells. */
static bool switches_stacks(uintptr_t pc)
{
    return pc - (uintptr_t)swapcontext < 512 || pc - (uintptr_t)setcontext < 512;
}

/* backtrace() is libgcc's. It crashes when a signal has interrupted libgcc while that throws, and where a table is wrong: gcc's
 * are for the last two instructions of functions that realign their stack. */
static bool may_ask(const struct cr_unwind_state *state, enum cr_unwind_end end)
{
    bool may = end == CR_UNWIND_ROOT || end == CR_UNWIND_NO_RULE;
    for (uint32_t i = 0; i < state->frames; i++)
        may = may && state->pc[i] - libgcc.low >= libgcc.high - libgcc.low && !switches_stacks(state->pc[i]);
    return may;
}

/* ---- comparing ---- */

static void show_stack(const char *whose, void *const *pc, int count)
{
    dprintf(2, " %s:\n", whose);
    for (int i = 0; i < count && i < 60; i++) {
        Dl_info info = {0};
        int known = dladdr(pc[i], &info);
        uintptr_t offset = known ? (uintptr_t)pc[i] - (uintptr_t)info.dli_fbase : 0;
        dprintf(2, "   %p %s %s+%#lx\n", pc[i], known && info.dli_sname ? info.dli_sname : "?",
                known ? info.dli_fname : "?", (unsigned long)offset);
    }
}

static void show(struct thread *me, struct cr_unwind_stack stack, void **theirs, int count)
{
    static _Atomic int shown;
    void *ours[CR_UNWIND_DEPTH];
    if (atomic_fetch_add(&shown, 1) >= SHOWN)
        return;
    for (uint32_t i = 0; i < stack.frames; i++)
        ours[i] = (void *)me->state.pc[stack.frames - 1 - i];
    dprintf(2, "compare_stacks: fresh %u, end: %s\n", stack.fresh, cr_unwind_end_text(stack.end));
    show_stack("crunch", ours, (int)stack.frames);
    show_stack("the other", theirs, count);
}

/* libunwind at times leaves what a signal has interrupted in the loader by a word of the stack that is no return address. */
static bool ends_in_no_code(void **theirs, int count)
{
    Dl_info info;
    return count > 0 && !dladdr(theirs[count - 1], &info);
}

/* The other's stack begins some frames inside of the hook's caller. */
static void compare(struct thread *me, struct cr_unwind_stack stack, uintptr_t caller, bool interrupted)
{
    void **theirs = me->reference;
    int count = ask(theirs), ours = (int)stack.frames, same = 0;
    while (count > 0 && (uintptr_t)*theirs != caller)
        theirs++, count--;
    while (same < ours && same < count && (uintptr_t)theirs[same] == me->state.pc[ours - 1 - same])
        same++;
    bool wrong = same < ours && same < count, shorter = !wrong && ours < count && !stack.truncated;
    bool longer = !wrong && ours > count;
    if (wrong && interrupted && stack.end == CR_UNWIND_ROOT && ends_in_no_code(theirs, count))
        wrong = false, longer = true;
    counts.compared++;
    counts.wrong += wrong;
    counts.shorter += shorter;
    counts.longer += longer && !interrupted;
    counts.given_up += longer && interrupted;
    if (wrong || shorter || (longer && !interrupted))
        show(me, stack, theirs, count);
}

/* Gives every frame a number made of all outside of it: frames that are not fresh must still have theirs. */
static void check_memo(struct cr_unwind_state *state, struct cr_unwind_stack stack)
{
    uint32_t node = stack.truncated;
    for (uint32_t i = 0; i < stack.frames; i++) {
        node = (uint32_t)((node + state->pc[i]) * 0x9e3779b97f4a7c15u >> 32);
        if (i < stack.frames - stack.fresh)
            counts.memo_wrong += state->node[i] != node;
        state->node[i] = node;
    }
}

static void set_up(void)
{
    thread = mmap(NULL, sizeof *thread, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attributes;
    void *low;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return;
    pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    thread->state.stack_low = (uintptr_t)low;
    thread->state.stack_high = (uintptr_t)low + size;
}

static void record(struct cr_unwind_start start, bool interrupted)
{
    if (!ready || inside)
        return;
    int saved_errno = errno;
    inside = 1;
    if (!thread)
        set_up();
    struct cr_unwind_stack stack = cr_unwind_capture(&thread->state, &start);
    uint64_t number = counts.captures++;
    counts.fresh += stack.fresh;
    counts.truncated += stack.truncated;
    counts.ends[stack.end]++;
    check_memo(&thread->state, stack);
    if (interrupted && !may_ask(&thread->state, stack.end))
        counts.not_asked++;
    else if (interrupted || number % every == 0)
        compare(thread, stack, start.pc, interrupted);
    inside = 0;
    errno = saved_errno;
}

/* ---- hooks ---- */

EXPORTED void *malloc(size_t size)
{
    record(CR_UNWIND_START(), false);
    return __libc_malloc(size);
}

EXPORTED void *calloc(size_t count, size_t size)
{
    record(CR_UNWIND_START(), false);
    return __libc_calloc(count, size);
}

EXPORTED void *realloc(void *block, size_t size)
{
    record(CR_UNWIND_START(), false);
    return __libc_realloc(block, size);
}

/* For handlers: what a signal interrupted lies outside of the caller. */
EXPORTED void compare_here(int number)
{
    (void)number;
    record(CR_UNWIND_START(), true);
}

/* The next signal comes some time after this one has been dealt with, however long that takes. */
static void arm(void)
{
    int saved_errno = errno;
    struct itimerspec when = {.it_value.tv_nsec = 1000 * profile.period};
    timer_settime(profile.timer, 0, &when, NULL);
    errno = saved_errno;
}

static void on_profile(int number)
{
    compare_here(number);
    if (ready)
        arm();
}

/* For programs, where code may have changed. */
EXPORTED void compare_flush(void)
{
    cr_unwind_modules_refresh();
    cr_unwind_flush();
}

/* ---- begin and end ---- */

static long number_of(const char *name)
{
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void)
{
    void *warm[4];
    every = number_of("COMPARE_EVERY") > 0 ? (uint64_t)number_of("COMPARE_EVERY") : 1;
    backtrace(warm, 4); /* loads libgcc */
    dl_iterate_phdr(find_libgcc, NULL);
    ready = true;
    profile.period = number_of("COMPARE_PROFILE");
    if (profile.period) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
        struct sigaction action = {.sa_handler = on_profile, .sa_flags = SA_RESTART};
        sigaction(SIGPROF, &action, NULL);
        timer_create(CLOCK_MONOTONIC, &event, &profile.timer);
        arm();
    }
}

__attribute__((destructor)) static void end(void)
{
    static const char *const names[CR_UNWIND_ENDS] = {"root",     "no_rule",  "bad_rule", "bad_cfa",
                                                      "bad_read", "too_deep", "lost",     "busy"};
    const char *path = getenv("COMPARE_OUT");
    char text[1000];
    int used = 0;
    signal(SIGPROF, SIG_IGN);
    ready = false;
#define PUT(...) (used += snprintf(text + used, sizeof text - (size_t)used, __VA_ARGS__))
#define COUNT(name) PUT("\"" #name "\": %lu, ", (unsigned long)counts.name)
    PUT("{");
    COUNT(captures), COUNT(fresh), COUNT(truncated), COUNT(compared), COUNT(wrong), COUNT(shorter), COUNT(longer);
    COUNT(memo_wrong), COUNT(given_up), COUNT(not_asked);
    for (int i = 0; i < CR_UNWIND_ENDS; i++)
        PUT("%s\"%s\": %lu", i ? ", " : "", names[i], (unsigned long)counts.ends[i]);
    PUT("}\n");
    int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : 2;
    if (file < 0 || write(file, text, (size_t)used) != used)
        dprintf(2, "compare_stacks: %s cannot be written\n", path);
}
