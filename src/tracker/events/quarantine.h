/* quarantine.h - freed blocks that are not given back yet (--check): filled with a pattern, so that what is written to them is
 * found when they leave, and kept in the order they were freed in, up to --quarantine bytes.
 *
 * A thread collects the blocks it frees in a batch. A full one joins the queue, under the lock, and an old one leaves it where the bytes
 * are over the limit: the thread's own oldest, whose memory its allocator knows best, unless another thread's is much older.
 * With every block that comes in afterwards, as many bytes of that batch are looked at and given back, while the memory of the next
 * is asked for. Larger blocks than the limit are given back at once. Lock: quarantine, the innermost. */
#ifndef CR_EVENTS_QUARANTINE_H
#define CR_EVENTS_QUARANTINE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "state/zones.h"

/* A block that was freed. */
struct cr_freed {
    uintptr_t block;
    uint64_t size_look_kind; /* cr_freed_sized */
    uint32_t allocated;      /* item of SITES; 0: unknown */
    uint32_t freed;          /* the same */
    uint32_t allocated_thread, freed_thread;
};
static_assert(sizeof(struct cr_freed) == 32, "two to a cache line");

/* What of a block is still looked at: not what has been told. */
enum cr_freed_look { CR_FREED_LOOK_INSIDE = 0x100, CR_FREED_LOOK_AROUND = 0x200, CR_FREED_LOOK = 0x300 };

static inline uint64_t cr_freed_sized(uint64_t size, unsigned look, unsigned kind) { return size << 16 | look | kind; }
static inline uint64_t cr_freed_size(const struct cr_freed *freed) { return freed->size_look_kind >> 16; }
static inline uint8_t cr_freed_kind(const struct cr_freed *freed) { return (uint8_t)freed->size_look_kind; }
static inline bool cr_freed_looks(const struct cr_freed *freed, enum cr_freed_look look)
{
    return freed->size_look_kind & look;
}

/* What was changed of it, as far as it is still looked at: found while nobody else can give it back. */
struct cr_freed_damage {
    struct cr_damage inside, around;
};

struct cr_thread;
struct cr_staged;
extern struct cr_lock cr_quarantine_lock;

/* What becomes of blocks that leave. tell: it was written to. */
struct cr_quarantine_ways {
    void (*release)(void *base);
    void (*tell)(struct cr_thread *thread, const struct cr_freed *freed, const struct cr_freed_damage *damage);
};

/* Once, at the start. limit: bytes, of blocks and of what is known of them. */
void cr_quarantine_start(uint64_t limit, struct cr_quarantine_ways ways);

/* Takes a block in, fills it, and maybe lets old ones go. The rest is what is known of it, as in struct cr_freed: by value, since a
 * structure that is copied right after it was written costs more than its cache misses. */
void cr_quarantine_add(struct cr_thread *thread, uintptr_t block, uint64_t size_look_kind, uint32_t allocated,
                       uint32_t allocated_thread, uint32_t freed);

/* A block of the same number of 16 bytes and the allocator's alignment that has left, in its zones; NULL: there is none at hand. */
void *cr_quarantine_kept(struct cr_thread *thread, size_t size);

/* Tells of every block that was written to. At the end, or when asked; thread: the calling one's. */
void cr_quarantine_check(struct cr_thread *thread);

/* The freed block that starts at an address, copied; false: it has left. Slow: for reports. */
bool cr_quarantine_find(uintptr_t block, struct cr_freed *freed);

#endif
