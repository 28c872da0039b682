/* block_table.c - see block_table.h. */
#include "state/block_table.h"

#include <string.h>

#include "platform/platform.h"
#include "services/arena.h"
#include "services/table.h"
#include "base/banned.h"

#define RECORDS_PER_CHUNK (1u << CR_RECORD_CHUNK_SHIFT)
#define RECORDS_PER_REFILL 128u
#define SMALLEST_CHUNK_RECORDS 2048u
#define SMALL_PROGRAM_RECORDS 65536u

struct cr_lock cr_regions_lock = CR_LOCK_INIT;
struct cr_lock cr_records_lock = CR_LOCK_INIT;
struct cr_region *_Atomic cr_region_front[CR_FRONT_ENTRIES];
struct cr_record *cr_record_chunk[CR_RECORD_CHUNKS];
unsigned cr_granule_shift = 4;

static struct cr_table regions;
static struct cr_region *all_regions;

/* The records handed out so far are those of chunks 0 .. chunk_count-1, of which each has its own number of records (fewer than
 * RECORDS_PER_CHUNK where memory was short). */
static struct {
    uint32_t chunk_count;
    uint32_t records[CR_RECORD_CHUNKS];
    uint32_t used;    /* of the last chunk */
    uint32_t spilled; /* lists: the first record of each has the next list in `node`, its own length in `thread` */
} slab;

/* ---- regions ---- */

void cr_block_table_start(size_t least_apart) { cr_granule_shift = least_apart >= 32 ? 5 : 4; }

static uint64_t number_of(uintptr_t address)
{
    return (uint64_t)address >> CR_REGION_SHIFT | (uint64_t)(address & 8) << 58;
}

/* The region's place in the front; both classes of addresses share them, half of the front apart. */
static struct cr_region *_Atomic *front_of(uint64_t number)
{
    return &cr_region_front[(number ^ number >> 61 << 13) & (CR_FRONT_ENTRIES - 1)];
}

static uint32_t slots_of_a_region(void) { return (uint32_t)(CR_REGION_BYTES >> cr_granule_shift); }

static struct cr_region *add_region(uint64_t number)
{
    struct cr_region *region = cr_arena_alloc(sizeof *region + slots_of_a_region() * sizeof *region->slot, 64);
    if (!region)
        return NULL;
    region->number = number;
    if (cr_table_add(&regions, number, region))
        return NULL;
    region->next = all_regions;
    all_regions = region;
    return region;
}

struct cr_region *cr_region_find(uint64_t number, bool create)
{
    cr_lock(&cr_regions_lock);
    struct cr_region *region = cr_table_find(&regions, number);
    if (!region && create)
        region = add_region(number);
    if (region)
        atomic_store_explicit(front_of(number), region, memory_order_release);
    cr_unlock(&cr_regions_lock);
    return region;
}

_Atomic uint32_t *cr_block_slot_slowly(uintptr_t address, bool create)
{
    if (address & 7 || !address) /* free(NULL) */
        return NULL;
    uint64_t number = number_of(address);
    struct cr_region *region = atomic_load_explicit(front_of(number), memory_order_acquire);
    if (!region || region->number != number)
        region = cr_region_find(number, create);
    return region ? cr_region_slot(region, address) : NULL;
}

/* ---- records ---- */

static bool add_chunk(void)
{
    if (slab.chunk_count == CR_RECORD_CHUNKS)
        return false;
    uint32_t most = (uint32_t)(cr_os_modest(RECORDS_PER_CHUNK * sizeof(struct cr_record)) / sizeof(struct cr_record));
    for (uint32_t n = most; n >= SMALLEST_CHUNK_RECORDS; n /= 2) {
        struct cr_record *records = cr_os_map(n * sizeof *records);
        if (!records)
            continue;
        size_t small = slab.chunk_count ? 0 : SMALL_PROGRAM_RECORDS; /* for which a large piece would be waste */
        if (n > small)
            cr_os_expect_use(records + small, (n - small) * sizeof *records);
        slab.records[slab.chunk_count] = n;
        slab.used = slab.chunk_count ? 0 : 1; /* index 0 means none */
        cr_record_chunk[slab.chunk_count++] = records;
        return true;
    }
    return false;
}

/* Takes a run of never used records. */
static uint32_t fresh_run(struct cr_spares *spares)
{
    if ((!slab.chunk_count || slab.used == slab.records[slab.chunk_count - 1]) && !add_chunk())
        return 0;
    uint32_t left = slab.records[slab.chunk_count - 1] - slab.used;
    uint32_t count = left < RECORDS_PER_REFILL ? left : RECORDS_PER_REFILL;
    spares->fresh = (slab.chunk_count - 1) * RECORDS_PER_CHUNK + slab.used;
    spares->fresh_end = spares->fresh + count;
    slab.used += count;
    return spares->fresh++;
}

static void take_list(struct cr_spares *spares, uint32_t head, uint32_t count)
{
    spares->head = (uint32_t)cr_record(head)->size_tag;
    spares->count = count - 1;
}

uint32_t cr_record_refill(struct cr_spares *spares)
{
    uint32_t index = spares->full;
    if (index) {
        spares->full = 0;
        take_list(spares, index, CR_SPARES_MOST);
        return index;
    }
    cr_lock(&cr_records_lock);
    index = slab.spilled;
    if (index) {
        slab.spilled = cr_record(index)->node;
        take_list(spares, index, cr_record(index)->thread);
    } else {
        index = fresh_run(spares);
    }
    cr_unlock(&cr_records_lock);
    return index;
}

static void give(uint32_t head, uint32_t count)
{
    struct cr_record *first = cr_record(head);
    cr_lock(&cr_records_lock); /* from here on the list is everybody's */
    first->thread = count;
    first->node = slab.spilled;
    slab.spilled = head;
    cr_unlock(&cr_records_lock);
}

/* The list has become full: it is put aside, and the one put aside before goes to everybody, without a walk along it. */
void cr_record_put_aside(struct cr_spares *spares)
{
    if (spares->full)
        give(spares->full, CR_SPARES_MOST);
    spares->full = spares->head;
    spares->head = spares->count = 0;
}

void cr_record_spill(struct cr_spares *spares)
{
    if (spares->full)
        give(spares->full, CR_SPARES_MOST);
    if (spares->head)
        give(spares->head, spares->count);
    spares->full = spares->head = spares->count = 0;
}

uint32_t cr_record_index(const struct cr_record *record)
{
    for (uint32_t c = 0; c < slab.chunk_count; c++)
        if ((uintptr_t)record - (uintptr_t)cr_record_chunk[c] < slab.records[c] * sizeof *record)
            return c << CR_RECORD_CHUNK_SHIFT | (uint32_t)(record - cr_record_chunk[c]);
    return 0;
}

/* ---- what is positively known ---- */

#define DOUBTED_MOST 1000u
#define REGIONS_BACK 256u         /* that are searched for the block around an address */
#define CLASS (UINT64_C(1) << 61) /* of a region number: addresses that are odd multiples of 8 */

static struct {
    _Atomic uint32_t count;
    _Atomic uintptr_t address[DOUBTED_MOST];
} doubted;

static bool is_doubted(uintptr_t address)
{
    uint32_t count = atomic_load(&doubted.count);
    for (uint32_t i = 0; i < count && i < DOUBTED_MOST; i++)
        if (atomic_load(&doubted.address[i]) == address)
            return true;
    return count > DOUBTED_MOST;
}

static void doubt(uintptr_t address)
{
    if (atomic_load(&doubted.count) > DOUBTED_MOST)
        return;
    uint32_t i = atomic_fetch_add(&doubted.count, 1);
    if (i < DOUBTED_MOST)
        atomic_store(&doubted.address[i], address);
}

uint32_t cr_block_mark(uintptr_t address)
{
    _Atomic uint32_t *slot = cr_block_slot(address, false);
    uint32_t value = slot ? atomic_load(slot) : 0;
    bool freed = cr_slot_is_freed(value) && (value & CR_SLOT_ODD) == cr_slot_odd(address);
    return freed && !is_doubted(address) ? value & ~CR_SLOT_ODD : 0;
}

/* The region of an address, where there is one; without waiting. false: that cannot be told. */
static bool try_region(uintptr_t address, struct cr_region **region)
{
    uint64_t number = number_of(address);
    *region = atomic_load_explicit(front_of(number), memory_order_acquire);
    if (*region && (*region)->number == number)
        return true;
    if (!cr_lock_try(&cr_regions_lock))
        return false;
    *region = cr_table_find(&regions, number);
    cr_unlock(&cr_regions_lock);
    return true;
}

void cr_block_passed(uintptr_t address, bool allocated)
{
    struct cr_region *region;
    if (!address || address & 7)
        return;
    if (!try_region(address, &region)) {
        doubt(address);
        return;
    }
    if (!region)
        return;
    _Atomic uint32_t *slot = cr_region_slot(region, address);
    uint32_t value = atomic_load(slot);
    if (cr_slot_is_live(value) && (allocated || cr_slot_is_of(value, address)))
        __atomic_fetch_or(&cr_record(value)->size_tag, (uint64_t)CR_TAG_GONE, __ATOMIC_RELAXED);
    else if (cr_slot_is_freed(value) && allocated)
        atomic_compare_exchange_strong(slot, &value, 0);
}

/* The region with the greatest number below this one, of the same class of addresses. */
static struct cr_region *region_below(uint64_t number)
{
    struct cr_region *best = NULL;
    cr_lock(&cr_regions_lock);
    for (struct cr_region *region = all_regions; region; region = region->next)
        if (region->number < number && !((region->number ^ number) & CLASS) && (!best || region->number > best->number))
            best = region;
    cr_unlock(&cr_regions_lock);
    return best;
}

/* Whether a live block at this slot reaches over the address; its record is copied. */
static bool reaches(_Atomic uint32_t *slot, uint32_t index, uintptr_t address, struct cr_record *copy)
{
    const struct cr_record *record = cr_record(index);
    uintptr_t start = atomic_load(&record->address);
    memcpy((void *)copy, (const void *)record, sizeof *copy);
    bool stands = atomic_load(slot) == index && atomic_load(&record->address) == start;
    return stands && address - start < cr_record_size(copy) && !(cr_record_tag(copy) & CR_TAG_GONE);
}

/* Blocks do not overlap, so the nearest live one below the address is the only one that can reach it. */
static bool reached_from_below(uintptr_t address, uint64_t class, struct cr_record *copy)
{
    uint64_t number = (uint64_t)address >> CR_REGION_SHIFT | class;
    uint32_t below = (uint32_t)((address & (CR_REGION_BYTES - 1)) >> cr_granule_shift) + 1;
    struct cr_region *region = cr_region_find(number, false);
    for (uint32_t n = 0; n < REGIONS_BACK; n++) {
        for (uint32_t i = below; region && i-- > 0;) {
            uint32_t value = atomic_load_explicit(&region->slot[i], memory_order_acquire);
            if (cr_slot_is_live(value) && atomic_load(&cr_record(value)->address) <= address)
                return reaches(&region->slot[i], value, address, copy);
        }
        region = region_below(number);
        if (!region)
            return false;
        number = region->number;
        below = slots_of_a_region();
    }
    return false;
}

bool cr_block_around(uintptr_t address, struct cr_record *copy)
{
    return !is_doubted(address) && (reached_from_below(address, 0, copy) || reached_from_below(address, CLASS, copy));
}

static struct {
    bool still, known;
    uint32_t chunks, count; /* if known: live ones are in so many chunks, and so many records of the last of these */
} live;

void cr_block_each_stand_still(bool still)
{
    live.still = still;
    live.known = false;
}

void cr_block_each(void (*visit)(void *context, struct cr_record *record), void *context)
{
    uint32_t chunks = live.known ? live.chunks : slab.chunk_count, last_chunks = 0, last_count = 0;
    for (uint32_t c = 0; c < chunks; c++) {
        uint32_t count = c + 1 == slab.chunk_count ? slab.used : slab.records[c];
        if (live.known && c + 1 == chunks)
            count = live.count;
        for (uint32_t i = 0; i < count; i++)
            if (atomic_load_explicit(&cr_record_chunk[c][i].address, memory_order_relaxed)) {
                last_chunks = c + 1;
                last_count = i + 1;
                visit(context, &cr_record_chunk[c][i]);
            }
    }
    live.chunks = last_chunks;
    live.count = last_count;
    live.known = live.still;
}
