/* leak_index.h - the index of blocks behind leak_graph.h, and the stack of those to be scanned. Private to the graph.
 *
 * Blocks lie in the order of their addresses in one array, 12 bytes each. A hash table leads from an address's region (1 MiB) to the
 * part of the array that is the region's, and a directory of the region, with at most one entry for two of its blocks, to a place
 * near the block asked for. */
#ifndef CR_EVENTS_LEAK_INDEX_H
#define CR_EVENTS_LEAK_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/format.h"
#include "state/block_table.h"

#define CR_LEAK_NONE UINT32_MAX
#define CR_LEAK_SEEN_BITS 16
#define CR_LEAK_OFFSET_BITS 17 /* of a block in its region, in units of 8 bytes */
#define CR_LEAK_OFFSET_MASK ((1u << CR_LEAK_OFFSET_BITS) - 1)
#define CR_LEAK_CLASS_SHIFT 17
#define CR_LEAK_CLASS_MASK (7u << CR_LEAK_CLASS_SHIFT)
#define CR_LEAK_GREY (1u << 20)      /* marked, not scanned yet */
#define CR_LEAK_CANDIDATE (1u << 21) /* see cr_leak_classify */
#define CR_LEAK_DOUBLE (1u << 22)    /* another record has the same address: nobody knows what this one is */

struct cr_leak_entry {
    uint32_t record;
    uint32_t holder; /* of leak_graph.h */
    uint32_t place;  /* offset and flags */
};

struct cr_leak_region {
    uint64_t number;
    uint32_t first, count; /* of its entries */
    uint32_t before;    /* the last block that begins in an earlier region and reaches into this one, or CR_LEAK_NONE */
    uint32_t directory; /* its part of the directory: the first entry at or behind each unit of 2^shift offsets */
    uint32_t shift;
    uint32_t next; /* in the same home of the hash table, plus one */
};

struct cr_leak_index {
    struct cr_leak_entry *entry;
    uint32_t count;
    uintptr_t lowest, highest; /* of all addresses in blocks */
    struct cr_leak_region *region;
    uint32_t regions, region_room;
    uint32_t *home; /* hash table of region numbers: number of a region plus one */
    uint32_t home_bits;
    uint64_t seen[(1u << CR_LEAK_SEEN_BITS) / 64]; /* a bit for each region, by the low bits of its number */
    uint32_t *directory;
    uint32_t *grey; /* the stack */
    uint32_t grey_count, grey_room;
    bool grey_elsewhere; /* some are grey and not on it */
    uint32_t grey_next;  /* where the pass for these is */
    size_t entry_bytes, directory_bytes, grey_bytes;
};
extern struct cr_leak_index cr_leak_index;

/* Makes the index of all live blocks. False: no memory. */
bool cr_leak_index_make(void);
void cr_leak_index_drop(void);

/* The region of a number, or NULL. */
static inline struct cr_leak_region *cr_leak_region_find(uint64_t number)
{
    const struct cr_leak_index *index = &cr_leak_index;
    uint32_t at = index->home[number * UINT64_C(0x9e3779b97f4a7c15) >> (64 - index->home_bits)];
    while (at && index->region[at - 1].number != number)
        at = index->region[at - 1].next;
    return at ? &index->region[at - 1] : NULL;
}

/* Whether an address may be in a region that has blocks. Most values that look like pointers point into modules and stacks. */
static inline bool cr_leak_may_find(uintptr_t address)
{
    uint64_t bit = address >> CR_REGION_SHIFT & ((1u << CR_LEAK_SEEN_BITS) - 1);
    return cr_leak_index.seen[bit / 64] >> bit % 64 & 1;
}

static inline uint32_t cr_leak_offset(uint32_t block) { return cr_leak_index.entry[block].place & CR_LEAK_OFFSET_MASK; }
static inline uint64_t cr_leak_size(uint32_t block)
{
    return cr_record_size(cr_record(cr_leak_index.entry[block].record));
}

/* The last block that begins at or before an address, in its region or reaching into it, and its start; it may end before
 * the address. CR_LEAK_NONE: there is none. */
uint32_t cr_leak_find(uintptr_t address, uintptr_t *start);
/* The same in two steps, for who has other things to do while memory comes: the part of the directory, then, some time later, the
 * entries. An address whose region is not known is let pass. */
const uint32_t *cr_leak_find_soon(uintptr_t address);
static inline void cr_leak_find_sooner(const uint32_t *unit)
{
    if (unit)
        __builtin_prefetch(&cr_leak_index.entry[*unit]);
}

static inline enum cr_leak_class cr_leak_class_now(uint32_t block)
{
    return (enum cr_leak_class)((cr_leak_index.entry[block].place & CR_LEAK_CLASS_MASK) >> CR_LEAK_CLASS_SHIFT);
}

static inline void cr_leak_set_class(uint32_t block, enum cr_leak_class class)
{
    uint32_t *place = &cr_leak_index.entry[block].place;
    *place = (*place & ~CR_LEAK_CLASS_MASK) | (uint32_t) class << CR_LEAK_CLASS_SHIFT;
}

/* Makes a block grey; takes a grey one and makes it black, CR_LEAK_NONE if there is none. */
static inline void cr_leak_push(uint32_t block)
{
    struct cr_leak_index *index = &cr_leak_index;
    index->entry[block].place |= CR_LEAK_GREY;
    if (index->grey_count < index->grey_room)
        index->grey[index->grey_count++] = block;
    else
        index->grey_elsewhere = true;
}
uint32_t cr_leak_pop(void);

#endif
