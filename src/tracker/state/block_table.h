/* block_table.h - every live block of the program, by address.
 *
 * The address space is cut into regions of 1 MiB. A uthash table behind a mutex holds the regions in which blocks live; a
 * direct-mapped array in front of it answers for known regions without a lock. A region has one 32-bit index per granule, the least
 * distance of two blocks (16 bytes, with glibc's malloc 32), which names a record in a slab of 32-byte records; or, where the last
 * block that crunch knew there was freed, a mark that says so and who freed it (state/freed_history.h). Addresses that are a multiple
 * of 8 but not of 16 (8-byte classes of jemalloc, tcmalloc, mimalloc) have regions of their own, so two blocks hardly ever share a
 * granule (cr_block_is_crowded); other addresses are no blocks.
 *
 * Invariant: only the thread that just got an address from the allocator, or is about to give it back, writes the address's
 * index; taking it is an atomic exchange, so of two frees of the same address one gets the record and the other nothing.
 * Records and regions are never unmapped: a stale reader sees a stale record, never a fault.
 *
 * Callers: hooks (add, take), the writer of the run folder (each). Locks: regions, records. */
#ifndef CR_STATE_BLOCK_TABLE_H
#define CR_STATE_BLOCK_TABLE_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"

#define CR_REGION_SHIFT 20
#define CR_REGION_BYTES ((uintptr_t)1 << CR_REGION_SHIFT)
#define CR_FRONT_ENTRIES (1u << 14) /* 16 GiB of heap without a conflict */

struct cr_record {
    _Atomic uint64_t address; /* 0: not a live block */
    uint64_t
        size_tag;    /* requested bytes << 16 | times it has grown << 8 | tag; in a spare record: the next spare one */
    uint32_t born;   /* coarse monotonic clock in 2^20 ns, low half: enough for 52 days back */
    uint32_t count;  /* allocations of its thread up to then, itself included, low half */
    uint32_t node;   /* where it was allocated; 0: unknown */
    uint32_t thread; /* number of the allocating thread */
};
static_assert(sizeof(struct cr_record) == 32, "two to a cache line");

/* The tag: the kind (base/format.h) in the low four bits, flags above. */
enum cr_tag {
    CR_TAG_KIND = 0x0f,
    CR_TAG_RUNTIME = 0x10, /* belongs to the loader or a language runtime */
    CR_TAG_ALIGNED = 0x20, /* of operator new with an alignment */
    CR_TAG_GONE = 0x40,    /* freed in a way that is not recorded: live for the counters only */
    CR_TAG_PLACED =
        0x80, /* lies where crunch has put it (events/placement.h): the allocator does not know its address */
};

static inline uint64_t cr_record_size(const struct cr_record *record) { return record->size_tag >> 16; }
static inline unsigned cr_record_tag(const struct cr_record *record) { return (unsigned)(record->size_tag & 0xff); }

static inline unsigned cr_record_growth(const struct cr_record *record) { return record->size_tag >> 8 & 0xff; }
#define CR_GROWTH_MOST 0xffu
static inline uint64_t cr_record_sized(uint64_t size, unsigned growth, unsigned tag)
{
    return size << 16 | growth << 8 | tag;
}

#define CR_AGE_SHIFT 20
/* How long ago it was allocated, in 2^20 ns; now: of the coarse clock. */
static inline uint32_t cr_record_age(const struct cr_record *record, uint64_t now)
{
    return (uint32_t)(now >> CR_AGE_SHIFT) - record->born;
}
/* When, in ns of the coarse clock. */
static inline uint64_t cr_record_time_ns(const struct cr_record *record, uint64_t now)
{
    return now - ((uint64_t)cr_record_age(record, now) << CR_AGE_SHIFT);
}

/* A thread's own supply of records: lists of spare ones, linked through size_tag, and a run of fresh ones. All zero at first. */
#define CR_SPARES_MOST 4096u
struct cr_spares {
    uint32_t head, count;      /* fewer than CR_SPARES_MOST; 0: none */
    uint32_t full;             /* another list, of CR_SPARES_MOST; 0: none */
    uint32_t fresh, fresh_end; /* never used ones */
};

/* What a slot holds. A mark is CR_SLOT_FREED and the number of the slot in THREADS whose thread freed the block; CR_SLOT_ODD
 * if it lay at an odd multiple of 16. */
#define CR_SLOT_FREED UINT32_C(0x80000000)
#define CR_SLOT_ODD UINT32_C(0x40000000)
static inline bool cr_slot_is_live(uint32_t value) { return (int32_t)value > 0; }
static inline bool cr_slot_is_freed(uint32_t value) { return (int32_t)value < 0; }
static inline uint32_t cr_slot_odd(uintptr_t address) { return (uint32_t)(address & 16) << 26; }

struct cr_region {
    uint64_t number;
    struct cr_region *next;             /* of all */
    struct cr_extents *_Atomic extents; /* of state/extents.h; NULL while there are none */
    _Atomic uint32_t slot[];
};

/* Of the size of a granule. 4 unless cr_block_table_start has made it 5. */
extern unsigned cr_granule_shift;
/* Before any other function: two blocks are hardly ever nearer to each other than this (cr_block_is_crowded). */
void cr_block_table_start(size_t least_apart);

static inline _Atomic uint32_t *cr_region_slot(struct cr_region *region, uintptr_t address)
{
    return &region->slot[(address & (CR_REGION_BYTES - 1)) >> cr_granule_shift];
}

#define CR_RECORD_CHUNK_SHIFT 20
#define CR_RECORD_CHUNKS (1u << (31 - CR_RECORD_CHUNK_SHIFT))

extern struct cr_lock cr_regions_lock, cr_records_lock;
extern struct cr_region *_Atomic cr_region_front[CR_FRONT_ENTRIES];
extern struct cr_record *cr_record_chunk[CR_RECORD_CHUNKS];

/* The slow ways of the functions below. */
struct cr_region *cr_region_find(uint64_t number, bool create);
_Atomic uint32_t *cr_block_slot_slowly(uintptr_t address, bool create);
uint32_t cr_record_refill(struct cr_spares *spares);
void cr_record_put_aside(struct cr_spares *spares);
/* Gives all spare records to everybody. */
void cr_record_spill(struct cr_spares *spares);

static inline struct cr_record *cr_record(uint32_t index)
{
    return &cr_record_chunk[index >> CR_RECORD_CHUNK_SHIFT][index & ((1u << CR_RECORD_CHUNK_SHIFT) - 1)];
}

/* The index slot of an address, or NULL: no block can be there, or (create) no memory. */
static inline _Atomic uint32_t *cr_block_slot(uintptr_t address, bool create)
{
    uint64_t number = (uint64_t)address >> CR_REGION_SHIFT;
    struct cr_region *region =
        atomic_load_explicit(&cr_region_front[number & (CR_FRONT_ENTRIES - 1)], memory_order_acquire);
    if (CR_UNLIKELY(address & 15 || !region || region->number != number))
        return cr_block_slot_slowly(address, create);
    return cr_region_slot(region, address);
}

/* A record for a new block, filled by the caller before cr_block_publish; 0 if there is no memory. */
static inline uint32_t cr_record_new(struct cr_spares *spares)
{
    uint32_t index = spares->head;
    if (CR_LIKELY(index)) {
        spares->head = (uint32_t)cr_record(index)->size_tag;
        spares->count--;
        return index;
    }
    if (CR_LIKELY(!spares->full && spares->fresh < spares->fresh_end))
        return spares->fresh++;
    return cr_record_refill(spares);
}

/* record: of that index. */
static inline void cr_record_drop(struct cr_spares *spares, struct cr_record *record, uint32_t index)
{
    atomic_store_explicit(&record->address, 0, memory_order_relaxed);
    record->size_tag = spares->head;
    spares->head = index;
    if (CR_UNLIKELY(++spares->count == CR_SPARES_MOST))
        cr_record_put_aside(spares);
}

/* Enters a block whose record, of that index, is filled. Returns the record that stood there before, which the caller counts as freed (its free
 * went past crunch) and drops, or 0. */
static inline uint32_t cr_block_publish(_Atomic uint32_t *slot, uintptr_t address, struct cr_record *record,
                                        uint32_t index)
{
    uint32_t before = atomic_load_explicit(slot, memory_order_relaxed);
    atomic_store_explicit(&record->address, address, memory_order_relaxed);
    atomic_store_explicit(slot, index, memory_order_release);
    return cr_slot_is_live(before) ? before : 0;
}

/* Whether what an address's slot holds is the record of a live block at just this address. */
static inline bool cr_slot_is_of(uint32_t value, uintptr_t address)
{
    return cr_slot_is_live(value) && atomic_load_explicit(&cr_record(value)->address, memory_order_relaxed) == address;
}

/* Takes the block at an address out and leaves a mark, or 0; its record stays filled until the caller drops it. 0: there is none. */
static inline uint32_t cr_block_take(uintptr_t address, uint32_t mark)
{
    _Atomic uint32_t *slot = cr_block_slot(address, false);
    if (CR_UNLIKELY(!slot || !cr_slot_is_of(atomic_load_explicit(slot, memory_order_acquire), address)))
        return 0;
    uint32_t index = atomic_exchange_explicit(slot, mark | (cr_slot_odd(address) & mark >> 1), memory_order_acquire);
    return CR_LIKELY(cr_slot_is_live(index)) ? index : 0;
}

/* The record of the block at an address, which stays; 0: there is none. */
static inline uint32_t cr_block_peek(uintptr_t address)
{
    _Atomic uint32_t *slot = cr_block_slot(address, false);
    uint32_t value = slot ? atomic_load_explicit(slot, memory_order_acquire) : 0;
    return cr_slot_is_of(value, address) ? value : 0;
}

/* Whether the place of an address in the table is another live block's, so that a block there cannot be entered. */
static inline bool cr_block_is_crowded(uintptr_t address)
{
    _Atomic uint32_t *slot = cr_block_slot(address, false);
    uint32_t value = slot ? atomic_load_explicit(slot, memory_order_acquire) : 0;
    return cr_slot_is_live(value) && !cr_slot_is_of(value, address);
}

/* ---- for what is positively known: never for what merely may be ---- */

/* The mark at an address; 0: the last block there, if there ever was one, is not known to be freed. */
uint32_t cr_block_mark(uintptr_t address);
/* A copy of the record of the live block that an address lies in, not at whose start; false: in none, as far as can be told. */
bool cr_block_around(uintptr_t address, struct cr_record *copy);
/* A block was allocated at an address, or is about to be freed there, unrecorded: the mark goes, or a live block does not count as such
 * any more. In signal handlers, too, also such that interrupt this file: where the table cannot be asked, the address is put
 * on a list of 1,000; when that is full, nothing is known of any address. */
void cr_block_passed(uintptr_t address, bool allocated);

/* The index of a record. */
uint32_t cr_record_index(const struct cr_record *record);

/* Calls visit for every live block. Other threads may go on: blocks that come or go meanwhile may be missed or seen. */
void cr_block_each(void (*visit)(void *context, struct cr_record *record), void *context);
/* From now on no block comes into being, since no other thread runs, or again they may: meanwhile only the first call of cr_block_each
 * looks at all records, the others go no further than the last live one. */
void cr_block_each_stand_still(bool still);

#endif
