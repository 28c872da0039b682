/* base/unwind: stacks that go on elsewhere - behind signals, on the stack of a handler, on that of a coroutine. */
#include "base/unwind.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif
#if defined(__GLIBC__)
#include <ucontext.h>
#endif

#include "tap.h"
#include "written_stack.h"

#define STACK_BYTES 65536

/* ---- signals ---- */

#define INNER_MOST 12u /* handler, trampoline, kill and, with a sanitizer, what stands in for them */

/* The written frames begin some frames outside of the handler. */
static void on_signal(int number)
{
    (void)number;
    struct cr_unwind_start start = CR_UNWIND_START();
    int saved_errno = errno;
    written->stack = cr_unwind_capture(written->state, &start);
    uint32_t inner = 0, frames = written->stack.frames;
    while (inner < INNER_MOST && inner < frames &&
           written->state->pc[frames - 1 - inner] != written->address[written->depth - 1])
        inner++;
    compare(inner);
    written->mismatches += inner == INNER_MOST;
    errno = saved_errno;
}

/* kill() as the instruction itself: musl's function has no table, and a sanitizer's hands the signal in later. */
static inline void send_signal(void)
{
#if defined(__linux__) && defined(__aarch64__)
    register long x0 __asm__("x0") = getpid(), x1 __asm__("x1") = SIGUSR1, x8 __asm__("x8") = SYS_kill;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x1), "r"(x8) : "memory");
#else
    kill(getpid(), SIGUSR1);
#endif
}

static NOINLINE void raise_below(uint32_t n)
{
    ENTER();
    if (n > 0)
        raise_below(n - 1);
    else
        send_signal();
    hook();
    LEAVE();
}

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(number, &action, NULL);
}

static NOINLINE void test_signals(void)
{
    stack_t own = {.ss_sp = written_map(STACK_BYTES), .ss_size = STACK_BYTES};
    ENTER();
    handle(SIGUSR1, on_signal, 0);
    for (uint32_t i = 0; i < 100; i++)
        raise_below(i % 13);
    check("through a signal handler");
    sigaltstack(&own, NULL);
    handle(SIGUSR1, on_signal, SA_ONSTACK);
    for (uint32_t i = 0; i < 100; i++)
        raise_below(i % 13);
    check("through a handler on its own stack");
    LEAVE();
}

static void (*volatile nowhere)(void);
static sigjmp_buf escape;

static void on_fault(int number)
{
    on_signal(number);
    siglongjmp(escape, 1);
}

static NOINLINE void call_nowhere(void)
{
    ENTER();
    nowhere();
    LEAVE();
}

static NOINLINE void test_wild_call(void)
{
    static uint32_t before; /* not lost by the jump */
    ENTER();
    before = written->depth;
    handle(SIGSEGV, on_fault, SA_NODEFER);
    if (sigsetjmp(escape, 1) == 0)
        call_nowhere();
    written->depth = before;
    signal(SIGSEGV, SIG_DFL);
    check("after the call of a null pointer");
    LEAVE();
}

/* ---- coroutines ---- */

#if defined(__GLIBC__)
static ucontext_t outside, coroutine;

static void coroutine_main(void)
{
    recurse(20);
    swapcontext(&coroutine, &outside);
    recurse(10);
}

static NOINLINE void test_coroutine(void)
{
    static struct written own;
    char *map = mmap(NULL, STACK_BYTES + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(map + 4096, STACK_BYTES, PROT_READ | PROT_WRITE);
    own.state = written->state; /* the state is the thread's, whatever stack that is on */
    own.depth = 0;
    getcontext(&coroutine);
    coroutine.uc_stack.ss_sp = map + 4096;
    coroutine.uc_stack.ss_size = STACK_BYTES;
    coroutine.uc_link = &outside;
    makecontext(&coroutine, coroutine_main, 0);
    written = &own;
    swapcontext(&outside, &coroutine);
    swapcontext(&outside, &coroutine);
    check("a coroutine, guard pages on both sides");
    written = &written_main;
}
#else
static void test_coroutine(void) { skip("this C library makes no coroutines"); }
#endif

static NOINLINE void run(void)
{
    ENTER();
    test_signals();
    test_wild_call();
    test_coroutine();
    LEAVE();
}

int main(void)
{
    written_run(run);
    return tap_done();
}
