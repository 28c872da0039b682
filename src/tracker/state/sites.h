/* sites.h - counters per call stack, in the recording (struct cr_site of base/format.h).
 *
 * A site is a leaf frame under a node of the call tree. Every thread has items of its own for the sites it touches, so counting
 * needs no atomic operation; readers add the items of a place up. A thread finds its item by (node, leaf address) in a hash
 * table of its own, whose entries are 8 bytes; key and counters of the item share a cache line.
 *
 * The share of the peak, exactly and in O(1): the recording counts peaks (peak_epoch). An item saves its live counts as peak_* the
 * first time it changes after a peak; an item that has not changed since holds them in live_*. */
#ifndef CR_STATE_SITES_H
#define CR_STATE_SITES_H

#include "base/counter.h"
#include "services/recording.h"
#include "state/block_table.h"

/* A thread's hash table of its items. All zero at first. */
struct cr_leaves {
    uint64_t *entries; /* high half: hash; low half: item of SITES, 0: empty */
    uint32_t mask, used;
    uint32_t generation; /* of the modules (state/modules.h) */
};

/* The thread's item for a place; 0 if there is no memory. slot: the thread's item of THREADS. */
uint32_t cr_site_find(struct cr_leaves *leaves, uint32_t slot, uint32_t parent, uintptr_t address);
/* The thread's item for the place of another thread's item. */
uint32_t cr_site_of_other(struct cr_leaves *leaves, uint32_t slot, uint32_t foreign);
static inline uint32_t cr_site_own(struct cr_leaves *leaves, uint32_t slot, uint32_t item)
{
    return CR_LIKELY(!item || cr_site(item)->slot == slot) ? item : cr_site_of_other(leaves, slot, item);
}

static inline void cr_site_before_change(struct cr_site *site)
{
    uint32_t epoch = CR_LOAD(cr_recording->peak_epoch);
    if (CR_LOAD(site->epoch) != epoch) {
        CR_STORE(site->peak_bytes, CR_LOAD(site->live_bytes));
        CR_STORE(site->peak_blocks, CR_LOAD(site->live_blocks));
        CR_STORE(site->epoch, epoch);
    }
}

/* A block of this size came to be at the thread's own item. */
static inline void cr_site_birth(uint32_t item, uint64_t size)
{
    struct cr_site *site = cr_site(item);
    cr_site_before_change(site);
    CR_ADD(site->allocations, 1);
    CR_ADD(site->bytes, size);
    CR_ADD(site->live_bytes, (int64_t)size);
    CR_ADD(site->live_blocks, 1);
}

/* It went, at this age (state/block_table.h). */
static inline void cr_site_death(uint32_t item, uint64_t size, uint32_t age, bool temporary)
{
    struct cr_site *site = cr_site(item);
    struct cr_site_extra *extra = cr_site_extra(item);
    cr_site_before_change(site);
    CR_ADD(site->live_bytes, -(int64_t)size);
    CR_ADD(site->live_blocks, -1);
    CR_ADD(extra->temporary, temporary);
    CR_ADD(extra->lifetime_ns, (uint64_t)age << CR_AGE_SHIFT);
}

#endif
