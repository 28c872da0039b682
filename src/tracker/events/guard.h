/* guard.h - blocks on pages of their own between unreachable ones (--guard): an access behind a block, or to a freed one, faults at
 * the very instruction.
 *
 *   | closed | closed ... | open ... the block, slack | closed | the next slot's pages ...
 *
 * A block ends where its pages end, as far as its alignment allows: at most 15 bytes of slack for ordinary blocks, filled with a
 * pattern that is looked at when the block is freed. With --guard-below it starts where its pages start. Address space is taken in
 * one piece, cut into slots of a few sizes, and used once; when it is used up, the slot of that size that was freed first is used again.
 * A freed slot's pages are closed, and what is known of its block stays known until then.
 *
 * Lock: guard; the system's calls are made without it. Blocks larger than CR_GUARD_MOST_BYTES, or aligned to more than a page, are
 * not guarded. */
#ifndef CR_EVENTS_GUARD_H
#define CR_EVENTS_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "platform/platform.h"
#include "state/zones.h"

#define CR_GUARD_MOST_BYTES ((size_t)64 << 20)
#define CR_GUARD_SPACE_BYTES ((size_t)16 << 30)

extern struct cr_lock cr_guard_lock;
/* The address space of guarded blocks; empty: there are none. */
extern struct cr_os_range cr_guard_space;

static inline bool cr_guard_is_guarded(const void *block)
{
    return (uintptr_t)block - cr_guard_space.base < cr_guard_space.bytes;
}

/* Once, at the start. below: blocks start at the unreachable page. false: no address space, nothing is guarded. */
bool cr_guard_start(bool below, size_t space_bytes);

/* A new block, zeroed, or NULL: not of a kind that is guarded, or no room, which is counted and said once. */
void *cr_guard_new(size_t size, size_t align);

/* What is known of a block: the same fields as of one in quarantine. */
struct cr_guarded {
    uintptr_t block;
    uint64_t size;
    uint32_t allocated; /* item of SITES; 0: not entered yet */
    uint32_t freed;     /* the same; 0: unknown */
    uint32_t allocated_thread, freed_thread;
    uint8_t kind; /* enum cr_kind */
    bool live;
};

/* The bytes of its pages that are not the block's, near it, still hold their pattern. */
bool cr_guard_is_whole(const void *block, size_t size);
/* Which of them do not; only the side behind it if both. */
struct cr_damage cr_guard_damage(const void *block, size_t size);
/* Closes a live block's pages; guarded->freed* are kept with it. */
void cr_guard_free(const struct cr_guarded *guarded);

/* The same from where no lock may be taken: the slot is not used again. */
void cr_guard_abandon(const struct cr_guarded *guarded);

/* Of which block's pages an address is, or which block is nearest to a closed page. Takes no lock: for handlers of faults. false: not
 * in the space, or of no block. `allocated` may be 0 where the block table knows it. */
bool cr_guard_find(uintptr_t address, struct cr_guarded *guarded);

/* How many blocks were to be guarded and could not be for lack of room. */
uint64_t cr_guard_refused(void);

#endif
