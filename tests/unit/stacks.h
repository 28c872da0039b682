/* stacks.h - call stacks as many and as different as a test wants: a route of digits decides who calls whom from which line.
 * Two routes that differ make two stacks that differ, often at the same stack addresses. */
#ifndef CR_STACKS_H
#define CR_STACKS_H

#include <alloca.h>
#include <stdint.h>

#include "base/unwind.h"

#define STACKS_DEEPEST 40u

struct stacks {
    uint32_t depth;
    uint8_t digit[STACKS_DEEPEST]; /* 0 to 3 each, for the frames from the outermost on */
    uint8_t leaf;                  /* 0 or 1: the line that calls the hook */
    void (*reached)(struct stacks *stacks, const struct cr_unwind_start *start);
    void *context;
};

#define STACKS_FUNCTION static __attribute__((noinline, unused)) void
STACKS_FUNCTION stacks_small(struct stacks *stacks, uint32_t level);
STACKS_FUNCTION stacks_large(struct stacks *stacks, uint32_t level);
STACKS_FUNCTION stacks_moving(struct stacks *stacks, uint32_t level);

STACKS_FUNCTION stacks_hook(struct stacks *stacks)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    stacks->reached(stacks, &start);
}

/* A line of its own for the compiler too: neither a jump instead of the call, nor the same code as another's. */
#define STACKS_CALL(call)                                                                                              \
    (__extension__({                                                                                                   \
        call;                                                                                                          \
        __asm__ volatile("" ::"i"(__COUNTER__) : "memory");                                                            \
    }))

#define STACKS_GO_ON(stacks, level)                                                                                    \
    switch ((level) < (stacks)->depth ? (stacks)->digit[level] : 4u + (stacks)->leaf) {                                \
    case 0: STACKS_CALL(stacks_small(stacks, (level) + 1)); break;                                                     \
    case 1: STACKS_CALL(stacks_large(stacks, (level) + 1)); break;                                                     \
    case 2: STACKS_CALL(stacks_moving(stacks, (level) + 1)); break;                                                    \
    case 3: STACKS_CALL(stacks_small(stacks, (level) + 1)); break;                                                     \
    case 4: STACKS_CALL(stacks_hook(stacks)); break;                                                                   \
    default: STACKS_CALL(stacks_hook(stacks)); break;                                                                  \
    }

STACKS_FUNCTION stacks_small(struct stacks *stacks, uint32_t level){STACKS_GO_ON(stacks, level)}

STACKS_FUNCTION stacks_large(struct stacks *stacks, uint32_t level)
{
    volatile char room[200];
    room[level] = 0;
    (void)room[level];
    STACKS_GO_ON(stacks, level)
}

/* Where its frame lies is known by the frame pointer alone. */
STACKS_FUNCTION stacks_moving(struct stacks *stacks, uint32_t level)
{
    volatile char *room = alloca(16 + stacks->depth * level % 64);
    room[0] = 0;
    STACKS_GO_ON(stacks, level)
}

/* Calls stacks->reached at the end of the route, with the start a hook called there has. */
STACKS_FUNCTION stacks_run(struct stacks *stacks) { STACKS_CALL(stacks_small(stacks, 0)); }

#endif
