/* placement.h - blocks that lie where crunch wants them: between red zones (--check), or on guarded pages (--guard). What the allocator
 * gives is then not what the program gets, so whoever hands an address to the allocator asks here first.
 *
 * A block is placed only when it is recorded: its record says how (CR_TAG_PLACED), and all others are the
 * allocator's, also in this mode: from before the start, of signal handlers that interrupted crunch, larger than guard pages
 * take. The cost of a mode that is off is one counter (struct cr_thread's until_placed) and one comparison (cr_placed). */
#ifndef CR_EVENTS_PLACEMENT_H
#define CR_EVENTS_PLACEMENT_H

#include "platform/platform.h"
#include "state/thread.h"

/* The allocator. Blocks are aligned to 16 bytes. */
struct cr_heap {
    void *(*allocate)(size_t size, bool zeroed); /* NULL and errno when it can't */
    void (*release)(void *base);
};

/* Addresses at which placed blocks may be: all, those of guarded blocks, or none. */
extern struct cr_os_range cr_placed;
static inline bool cr_may_be_placed(const void *block) { return (uintptr_t)block - cr_placed.base < cr_placed.bytes; }

/* Once, at the start, before the first thread is known: sets the modes up that the options ask for. */
void cr_placement_start(const struct cr_heap *heap);

/* ---- for hooks: the thread has entered and until_placed has come to 0, or cr_may_be_placed ---- */

/* A new block of at least `align`, its mark added to *tag; the caller records it, then calls cr_placed_is_known. NULL: the hook makes
 * the block as usual. */
void *cr_place(struct cr_thread *thread, size_t size, size_t align, bool zeroed, unsigned *tag);
/* Whether the block was recorded. If not (no memory), it is gone. */
bool cr_placed_is_known(const struct cr_thread *thread, void *block, size_t size, unsigned tag);

/* What a function was asked to do, for reports. */
struct cr_placed_call {
    const char *function;
    const struct cr_unwind_start *start;
};

/* A placed block: as its record says. */
struct cr_placed_block {
    void *block;
    size_t size;
    unsigned tag;
    uint32_t allocated, thread; /* item of SITES, number */
};
/* false: the block is not placed, and the allocator's own. */
bool cr_placed_find(const void *block, struct cr_placed_block *found);

/* Looks whether what lies around a block is as it was, and reports it if not; true: it is. */
bool cr_placed_check(struct cr_thread *thread, const struct cr_placed_block *placed, const struct cr_placed_call *call);
/* A block that has just been taken out of the block table, by free or realloc, goes where freed blocks go. whole: as the check said. */
void cr_placed_retire(struct cr_thread *thread, const struct cr_placed_block *placed,
                      const struct cr_unwind_start *start, bool whole);

/* ---- for hooks of threads that cannot enter, maybe since a signal handler interrupted crunch ---- */

/* Whether the block table can be asked about a block, which may need its lock. If not, the block is to be left alone: it may be a placed one, which
 * the allocator does not know, and memory that stays taken does less harm. */
bool cr_placed_may_ask(const void *block);
/* Gives a placed block back at once, without checks; false: it is none. Its record stays, as of any block freed behind crunch's back. True as well
 * where nobody can be asked. */
bool cr_placed_free_unseen(void *block);

/* ---- at the end, and when asked ---- */

/* Looks at all blocks, live and freed ones. */
void cr_placement_check_all(struct cr_thread *thread);

#endif
