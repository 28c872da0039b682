/* freed_history.c - see freed_history.h. */
#include "state/freed_history.h"

#include "base/counter.h"
#include "base/banned.h"

/* The entry's fields, if all of them are of one free. */
static bool read_entry(const struct cr_freed_entry *freed, uintptr_t address, struct cr_freed_block *found)
{
    uint64_t how = CR_LOAD(freed->how), node_thread = CR_LOAD(freed->node_thread), size_tag = CR_LOAD(freed->size_tag);
    if (CR_LOAD(freed->address) != address || CR_LOAD(freed->how) != how)
        return false;
    uint64_t where = how & ((UINT64_C(1) << 48) - 1);
    bool whole = how & CR_FREED_SITE;
    *found = (struct cr_freed_block){.thread = (uint32_t)(how >> 48) & CR_FREED_THREADS,
                                     .caller = whole ? 0 : (uintptr_t)where,
                                     .site = whole ? (uint32_t)where : 0};
    found->record.size_tag = size_tag;
    atomic_store_explicit(&found->record.address, address, memory_order_relaxed);
    memcpy(&found->record.node, &node_thread, sizeof node_thread);
    return true;
}

bool cr_freed_find(const struct cr_freed_ring *ring, uintptr_t address, struct cr_freed_block *found)
{
    uint32_t next = CR_LOAD(ring->next);
    for (uint32_t n = 1; n <= CR_FREED_ENTRIES; n++) {
        const struct cr_freed_entry *freed = &ring->entry[(next - n) % CR_FREED_ENTRIES];
        uint64_t there = CR_LOAD(freed->address);
        if (!there)
            return false;
        if (there == address)
            return read_entry(freed, address, found);
    }
    return false;
}

bool cr_freed_around(const struct cr_freed_ring *ring, uintptr_t address, struct cr_freed_block *found)
{
    uint32_t next = CR_LOAD(ring->next);
    for (uint32_t n = 1; n <= CR_FREED_ENTRIES; n++) {
        const struct cr_freed_entry *freed = &ring->entry[(next - n) % CR_FREED_ENTRIES];
        uint64_t there = CR_LOAD(freed->address);
        if (!there)
            return false;
        if (address >= there && read_entry(freed, there, found) && address - there < cr_record_size(&found->record))
            return true;
    }
    return false;
}
