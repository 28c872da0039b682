/* interpose_threads_linux.c - gives a new thread a stack for crunch's signal handler before the program's code runs in it, so that a stack
 * overflow can be told also of a thread that never uses the heap. (The others get theirs with their first use, state/thread.c.)
 *
 * Stacks come from one mapping and are given back at the thread's end. When all are taken a thread starts without. In a forked child those of
 * the parent's other threads stay taken. No locks. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "entry/hooks.h"
#include "platform/interpose.h"

#define STACKS_MOST 1024u
#define STACK_BYTES ((size_t)64 << 10)
#define WORD_BITS 64u

/* At a stack's lower end, until the thread has read it. */
struct start {
    void *(*routine)(void *argument);
    void *argument;
};

static struct {
    char *_Atomic space;
    _Atomic uint64_t taken[STACKS_MOST / WORD_BITS];
    pthread_key_t key; /* its value is the thread's stack */
} pool;

static void give_back(void *stack)
{
    size_t number = (size_t)((char *)stack - atomic_load(&pool.space)) / STACK_BYTES;
    atomic_fetch_and(&pool.taken[number / WORD_BITS], ~(UINT64_C(1) << number % WORD_BITS));
}

static void at_thread_end(void *stack)
{
    stack_t none = {.ss_flags = SS_DISABLE, .ss_size = STACK_BYTES}, present;
    if (!CR_REAL(sigaltstack)(NULL, &present) && present.ss_sp == stack)
        CR_REAL(sigaltstack)(&none, NULL);
    give_back(stack);
}

/* The mapping; NULL: there is none. The first call is made before there is a second thread. */
static char *space(void)
{
    static bool tried;
    if (!tried) {
        tried = true;
        bool whole = cr_os_modest(STACKS_MOST * STACK_BYTES) == STACKS_MOST * STACK_BYTES;
        if (whole && !pthread_key_create(&pool.key, at_thread_end))
            atomic_store(&pool.space, cr_os_map(STACKS_MOST * STACK_BYTES));
    }
    return atomic_load(&pool.space);
}

static void *take(void)
{
    char *stacks = atomic_load(&cr_active) ? space() : NULL;
    for (size_t i = 0; stacks && i < STACKS_MOST / WORD_BITS; i++) {
        uint64_t taken = atomic_load(&pool.taken[i]);
        while (~taken) {
            unsigned bit = (unsigned)__builtin_ctzll(~taken);
            if (atomic_compare_exchange_weak(&pool.taken[i], &taken, taken | UINT64_C(1) << bit))
                return stacks + (i * WORD_BITS + bit) * STACK_BYTES;
        }
    }
    return NULL;
}

bool cr_os_is_lent_stack(const void *stack)
{
    const char *stacks = atomic_load(&pool.space);
    return stacks && (size_t)((const char *)stack - stacks) < STACKS_MOST * STACK_BYTES;
}

/* The last call is a jump, so that no frame of crunch's stands at the outer end of the thread's stack. */
static void *begin(void *stack)
{
    struct start start = *(struct start *)stack;
    stack_t lent = {.ss_sp = stack, .ss_size = STACK_BYTES};
    if (pthread_setspecific(pool.key, stack) || CR_REAL(sigaltstack)(&lent, NULL))
        give_back(stack);
    return start.routine(start.argument);
}

CR_HOOK(int, pthread_create,
        (pthread_t * thread, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument))
{
    struct start *start = take();
    if (!start)
        return CR_REAL(pthread_create)(thread, attributes, routine, argument);
    *start = (struct start){routine, argument};
    int error = CR_REAL(pthread_create)(thread, attributes, begin, start);
    if (error)
        give_back(start);
    return error;
}
