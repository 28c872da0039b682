/* written_stack.h - stacks whose functions write down their own return addresses, so that no other unwinder is needed to
 * tell whether the unwinder is right. ENTER() and LEAVE() stand at the ends of such a function; hook() captures and
 * compares. */
#ifndef CR_WRITTEN_STACK_H
#define CR_WRITTEN_STACK_H

#include <sys/mman.h>

#include "base/unwind.h"
#include "tap.h"

#define NOINLINE __attribute__((noinline, unused))
#define WRITTEN_MOST 70000

/* One stack, of the thread that uses it. */
struct written {
    struct cr_unwind_state *state;
    struct cr_unwind_stack stack; /* the last one captured */
    uint32_t depth;
    uint32_t captures, mismatches;   /* since the last check() */
    uintptr_t address[WRITTEN_MOST]; /* address[i] is the return address of the i-th call from outside */
};

static struct written written_main, *written = &written_main;
static volatile uint32_t sink;

#define ENTER() (written->address[written->depth++] = CR_UNWIND_STRIP((uintptr_t)__builtin_return_address(0)))
#define LEAVE() (sink += --written->depth) /* work after the last call, so that it is not made a jump */

/* Where the C library marks its outermost frame. */
#if defined(__GLIBC__) || defined(__APPLE__)
#define ENDS_ARE_MARKED true
#else
#define ENDS_ARE_MARKED false
#endif

/* The captured frames from number `inner` on must be the written ones. What lies outside of the first written frame is the
 * same in all stacks of a thread, and is not looked at. */
static inline void compare(uint32_t inner)
{
    const struct cr_unwind_stack *stack = &written->stack;
    uint32_t shown = stack->frames - inner, depth = written->depth;
    bool same = true;
    for (uint32_t i = 0; i < shown && i < depth; i++)
        same = same && written->state->pc[shown - 1 - i] == written->address[depth - 1 - i];
    bool whole = shown >= depth && (stack->end == CR_UNWIND_ROOT || !ENDS_ARE_MARKED);
    bool complete = stack->truncated ? stack->frames > CR_UNWIND_DEPTH - CR_UNWIND_DEPTH_STEP : whole;
    written->captures++;
    written->mismatches += !same || !complete;
}

static NOINLINE void hook(void)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    ENTER();
    written->stack = cr_unwind_capture(written->state, &start);
    compare(0);
    LEAVE();
}

static NOINLINE void recurse(uint32_t n)
{
    ENTER();
    hook();
    if (n > 0)
        recurse(n - 1);
    hook();
    LEAVE();
}

static inline void check(const char *what)
{
    bool right = ok(written->mismatches == 0 && written->captures > 0, "%s", what);
    if (!right)
        printf("# %u of %u\n", written->mismatches, written->captures);
    written->mismatches = written->captures = 0;
}

static inline void *written_map(size_t bytes)
{
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return map == MAP_FAILED ? NULL : map;
}

/* Runs the tests twice: with the thread's bounds unknown, which makes every read a careful one, and known. */
static inline void written_run(void (*tests)(void))
{
    struct cr_unwind_state *state = written->state = written_map(sizeof *written->state);
    tests();
    uintptr_t page = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)4095;
    state->stack_low = page - (1 << 20);
    state->stack_high = page + 4096;
    tests();
}

#endif
