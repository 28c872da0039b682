/* thread.h - what the tracker keeps per thread, and the guard that keeps it from recording itself.
 *
 * A hook enters (cr_enter) before it calls the real function and leaves (cr_leave) after recording what happened. Between
 * the two the thread is "inside": hooks reached meanwhile, by the real function or by a signal handler, get NULL from cr_enter
 * and only pass the call on.
 *
 * Thread states are pooled and outlive their threads. A thread that is ending has given its state back; what it still frees
 * runs on a state borrowed for that one call. Locks: thread pool. */
#ifndef CR_STATE_THREAD_H
#define CR_STATE_THREAD_H

#include "base/format.h"
#include "base/lock.h"
#include "platform/tls.h"
#include "base/unwind.h"
#include "state/block_table.h"
#include "state/freed_history.h"
#include "state/memo.h"
#include "state/sites.h"

#define CR_ALTSTACK_BYTES ((size_t)60 << 10)

/* The call-tree nodes of the stack recorded last, outermost frame first: a stack that begins with the same frames begins with the
 * same nodes. */
struct cr_trail {
    uint32_t base;       /* the root or a marker */
    uint32_t length;     /* nodes known */
    uint32_t generation; /* of the modules the addresses belong to */
    uint32_t node[CR_UNWIND_DEPTH];
    uint32_t path[CR_UNWIND_DEPTH]; /* of these (state/call_tree.h) */
    uintptr_t address[CR_UNWIND_DEPTH];
};

struct cr_thread {
    volatile int inside; /* volatile: the compiler must not move it across calls it believes to know */
    uint8_t kind;        /* operator new: the kind of the malloc to come, else CR_KIND_MALLOC */
    uint8_t after;       /* enum cr_after: what cr_leave shall do */
    uint32_t number;     /* 1, 2, ...; 0 when borrowed */
    struct cr_slot *slot;
    uint32_t slot_item;   /* its number */
    uint32_t info_item;   /* of THREADINFO; 0: none */
    uint32_t last_record; /* of the block it allocated last; 0: none yet */
    struct cr_leaves leaves;
    struct cr_trail trail;
    uint64_t until_placed; /* allocations until the one that events/placement.h has a say in, that one included */
    uint64_t random;       /* its random numbers; 0: none drawn yet */
    uint64_t until_guarded;
    uintptr_t section;                /* of the program's that its blocks belong to (state/heap_sections.h); 0: none */
    struct cr_staged *staged;         /* freed blocks on their way into the quarantine (events/quarantine.h) */
    struct cr_unwind_start new_start; /* operator new: its caller, when `kind` is set */
    struct cr_spares spares;
    struct cr_freed_ring *freed;
    uint64_t freed_by;             /* cr_freed_by(number) */
    uint32_t freed_mark;           /* what a slot of the block table holds after a free by this thread */
    const char *function;          /* operator delete: its name, while it passes an unknown address on; else NULL */
    struct cr_thread *next;        /* in the pool */
    struct cr_thread *made_before; /* NULL: this one was the first */
    void *altstack;                /* CR_ALTSTACK_BYTES for signal handlers of the thread */
    struct cr_unwind_state *unwind;
    struct cr_memo *memo;
};

/* Set by the thread itself, its signal handlers included. */
enum cr_after {
    CR_AFTER_GIVE_BACK = 1, /* the state is borrowed by an ending thread, for one call */
    CR_AFTER_SNAPSHOT = 2,  /* somebody wants a snapshot, and now is the moment */
};

/* Values of the thread-local pointer that are no struct cr_thread. */
enum { CR_THREAD_NONE = 0, CR_THREAD_ENDING = 1, CR_THREAD_BUSY = 2 };

/* Whether events are recorded. Set once by start-up, cleared once by the end or a failure. */
extern _Atomic bool cr_active;
extern struct cr_lock cr_threads_lock;
/* until_placed of a new thread: set before the first one, UINT64_MAX unless blocks are placed. */
extern uint64_t cr_threads_until_placed;
/* Numbers up to this one are threads of the parent's that this process was forked from. */
extern uint32_t cr_threads_base;

/* The slow way of cr_enter: first use in a thread, an ending thread, tracking off. */
struct cr_thread *cr_enter_slowly(void);
/* The slow way of cr_leave. Keeps errno. */
void cr_leave_slowly(struct cr_thread *thread);
/* What CR_AFTER_SNAPSHOT calls. */
extern void (*cr_thread_snapshot)(void);

/* NULL: do not record. */
static inline struct cr_thread *cr_enter(void)
{
    struct cr_thread *thread = cr_tls_get();
    if (CR_LIKELY((uintptr_t)thread > CR_THREAD_BUSY && !thread->inside &&
                  atomic_load_explicit(&cr_active, memory_order_relaxed))) {
        thread->inside = 1;
        return thread;
    }
    return cr_enter_slowly();
}

static inline void cr_leave(struct cr_thread *thread)
{
    thread->inside = 0;
    if (CR_UNLIKELY(thread->after))
        cr_leave_slowly(thread);
}

/* All states there are, one after the other: the one made before `thread`, NULL: the last one. NULL: there are no more. */
const struct cr_thread *cr_thread_next(const struct cr_thread *thread);

/* From now on the thread's blocks belong to the section of this name; NULL: to none. Whether the name has one of its own. */
bool cr_thread_section(struct cr_thread *thread, const char *name);

/* The state that a mark in the block table names. */
const struct cr_thread *cr_thread_of_mark(uint32_t mark);

/* Creates the key that notices ends of threads. 0 or -errno. */
int cr_threads_start(void);
/* In a forked child, all locks held: only the calling thread is left, and numbering goes on behind the parent's threads. */
void cr_threads_fork(uint64_t parent_threads);

#endif
