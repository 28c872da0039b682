/* freed_history.h - what a thread freed last: where each block was allocated, and from where it was freed.
 *
 * A ring per thread, written at every free by four stores. The mark that a free leaves in the block table names the ring, so a
 * look-up searches one ring, from its newest entry on, and other threads write no line of it. An entry that is overwritten while
 * it is read is read as if it were not there. */
#ifndef CR_STATE_FREED_HISTORY_H
#define CR_STATE_FREED_HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "state/block_table.h"

#define CR_FREED_ENTRIES 4096u /* 128 KiB, touched as it fills */

struct cr_freed_entry {
    _Atomic uint64_t address;
    _Atomic uint64_t size_tag;    /* as the record had it */
    _Atomic uint64_t node_thread; /* likewise */
    _Atomic uint64_t
        how; /* cr_freed_by(thread) | return address of the call, or | CR_FREED_SITE | site; low part 0: unknown */
};

#define CR_FREED_SITE (UINT64_C(1) << 63)
#define CR_FREED_THREADS 0x7fffu /* thread numbers are kept modulo this + 1 */
static inline uint64_t cr_freed_by(uint32_t thread) { return (uint64_t)(thread & CR_FREED_THREADS) << 48; }

/* All zero at first. */
struct cr_freed_ring {
    _Atomic uint32_t next; /* counts the entries ever written */
    struct cr_freed_entry entry[CR_FREED_ENTRIES];
};

/* By the thread that has taken the block's record out of the table. */
static inline void cr_freed_add(struct cr_freed_ring *ring, uintptr_t address, const struct cr_record *record,
                                uint64_t how)
{
    uint32_t next = atomic_load_explicit(&ring->next, memory_order_relaxed);
    struct cr_freed_entry *freed = &ring->entry[next % CR_FREED_ENTRIES];
    atomic_store_explicit(&ring->next, next + 1, memory_order_relaxed);
    uint64_t node_thread;
    __builtin_memcpy(&node_thread, &record->node, sizeof node_thread); /* memcpy itself is a call under -fno-builtin */
    atomic_store_explicit(&freed->size_tag, record->size_tag, memory_order_relaxed);
    atomic_store_explicit(&freed->node_thread, node_thread, memory_order_relaxed);
    atomic_store_explicit(&freed->how, how, memory_order_relaxed);
    atomic_store_explicit(&freed->address, address, memory_order_relaxed);
}

/* The whole stack of the call that freed what this thread has freed last, as an item of SITES, in the place of its caller; at another
 * address: nothing. */
static inline void cr_freed_tell_site(struct cr_freed_ring *ring, uintptr_t address, uint32_t site)
{
    uint32_t next = atomic_load_explicit(&ring->next, memory_order_relaxed);
    struct cr_freed_entry *last = &ring->entry[(next - 1) % CR_FREED_ENTRIES];
    uint64_t how = atomic_load_explicit(&last->how, memory_order_relaxed);
    if (atomic_load_explicit(&last->address, memory_order_relaxed) == address)
        atomic_store_explicit(&last->how, (how & cr_freed_by(CR_FREED_THREADS)) | CR_FREED_SITE | site,
                              memory_order_relaxed);
}

/* What is told of a block after its end. */
struct cr_freed_block {
    struct cr_record record; /* time_ns unknown */
    uint32_t thread;         /* that freed it, modulo CR_FREED_THREADS + 1 */
    uintptr_t caller;        /* of the call that did, where no site is kept; 0: unknown */
    uint32_t site;           /* of that call, an item of SITES; 0: not kept */
};

/* Whether the ring still holds a block that an address lay in; the one freed last. By any thread, in a signal handler too. */
bool cr_freed_around(const struct cr_freed_ring *ring, uintptr_t address, struct cr_freed_block *found);

/* Whether the ring still holds the block that was last freed at an address. By any thread. */
bool cr_freed_find(const struct cr_freed_ring *ring, uintptr_t address, struct cr_freed_block *found);

#endif
