/* quarantine_parts.h - what of the quarantine (quarantine.h) its two files share: quarantine.c, by which blocks come in and go, and
 * quarantine_look.c, which looks at all of them. */
#ifndef CR_EVENTS_QUARANTINE_PARTS_H
#define CR_EVENTS_QUARANTINE_PARTS_H

#include <stdatomic.h>

#include "events/quarantine.h"
#include "state/zones.h"

#define CR_BATCH_BLOCKS 64u
#define CR_QUARANTINE_CLASSES 17u  /* 0 to 256 bytes */
#define CR_QUARANTINE_KEPT_MOST 8u /* of a size, by each thread */

struct cr_batch {
    struct cr_batch *older, *newer; /* in the queue */
    struct cr_batch *next;          /* of the same thread, in the queue; else of batches that wait to be used again */
    struct cr_staged *owner;
    uint64_t number; /* counts the batches that ever joined the queue */
    uint64_t bytes;
    _Atomic uint32_t count;
    _Atomic uint32_t gone; /* of one that leaves: the thread has these, or will have let them go when it comes back */
    struct cr_freed entry[CR_BATCH_BLOCKS];
};

/* What a thread has. A state that another thread takes over keeps it all. */
struct cr_staged {
    struct cr_staged *next;           /* of all threads' */
    struct cr_batch *_Atomic coming;  /* not full */
    struct cr_batch *_Atomic leaving; /* out of the queue; replaced under the lock */
    uint32_t place, claimed;       /* in `leaving`: the next to let go of, and how many are the thread's to let go of */
    struct cr_batch *done;         /* empty ones, to be used again */
    struct cr_batch *first, *last; /* under the lock: its batches in the queue */
    uint32_t kept[CR_QUARANTINE_CLASSES]; /* how many of them: */
    uintptr_t keep[CR_QUARANTINE_CLASSES]
                  [CR_QUARANTINE_KEPT_MOST]; /* small blocks that have left, for the next of their size; by granules */
};

extern struct cr_quarantine {
    struct cr_quarantine_ways ways;
    uint64_t limit;
    struct cr_staged *_Atomic staged;
    /* under the lock */
    struct cr_batch *oldest, *newest, *spare;
    uint64_t batches, number, bytes; /* in the queue; ever joined; in the queue */
} cr_quarantine;

/* Whether nobody wrote to a block. */
static inline bool cr_freed_is_whole(const struct cr_freed *freed)
{
    const void *block = (const void *)freed->block;
    size_t size = cr_freed_size(freed);
    return (!cr_freed_looks(freed, CR_FREED_LOOK_INSIDE) || cr_fill_is_whole(block, size)) &&
           (!cr_freed_looks(freed, CR_FREED_LOOK_AROUND) || cr_zone_is_whole(block, size));
}

/* What they wrote. */
static inline struct cr_freed_damage cr_freed_damage(const struct cr_freed *freed)
{
    const void *block = (const void *)freed->block;
    struct cr_freed_damage damage = {.inside = {.bytes = 0}};
    if (cr_freed_looks(freed, CR_FREED_LOOK_INSIDE))
        damage.inside = cr_fill_damage(block, cr_freed_size(freed));
    if (cr_freed_looks(freed, CR_FREED_LOOK_AROUND))
        damage.around = cr_zone_damage(block, cr_freed_size(freed));
    return damage;
}

#endif
