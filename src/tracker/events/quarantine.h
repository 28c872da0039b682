/* quarantine.h - freed blocks that are not given back yet (--check): filled with a pattern, so that what is written to them is
 * found when they leave, and kept in the order they were freed in, up to --quarantine bytes.
 *
 * A thread stages the blocks it frees and hands them in by the dozen, under the lock, and takes the oldest out where the bytes are
 * over the limit; these it checks and gives back when it has left the lock. Larger blocks than the limit are checked and given back
 * at once. Lock: quarantine, the innermost. */
#ifndef CR_EVENTS_QUARANTINE_H
#define CR_EVENTS_QUARANTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"

/* A block that was freed. */
struct cr_freed {
    uintptr_t block;
    uint64_t size;
    void *base;         /* what the allocator gets back; NULL: nobody knows it any more, the memory stays taken */
    uint32_t allocated; /* item of SITES; 0: unknown */
    uint32_t freed;     /* the same */
    uint32_t allocated_thread, freed_thread;
    uint8_t kind;    /* enum cr_kind */
    bool filled;     /* holds the pattern */
    bool zones_told; /* its zones were damaged when it was freed, and this was reported */
};

struct cr_thread;
struct cr_staged;
extern struct cr_lock cr_quarantine_lock;

/* What becomes of blocks that leave. tell: it was written to. */
struct cr_quarantine_ways {
    void (*release)(void *base);
    void (*tell)(struct cr_thread *thread, const struct cr_freed *freed);
};

/* Once, at the start. limit: bytes, of blocks and of what is known of them. Without memory it keeps nothing. */
void cr_quarantine_start(uint64_t limit, struct cr_quarantine_ways ways);

/* Takes a block in, fills it, and maybe lets the oldest ones go. */
void cr_quarantine_add(struct cr_thread *thread, const struct cr_freed *freed);

/* Tells of every block that was written to. At the end, or when asked; thread: the calling one's. */
void cr_quarantine_check(struct cr_thread *thread);

/* The freed block that starts at an address, copied; false: it has left. Slow: for reports. */
bool cr_quarantine_find(uintptr_t block, struct cr_freed *freed);

#endif
