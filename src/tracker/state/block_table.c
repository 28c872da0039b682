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

static struct cr_table regions;

/* The records handed out so far are those of chunks 0 .. chunk_count-1, of which each has its own number of records (fewer than
 * RECORDS_PER_CHUNK where memory was short). */
static struct {
    uint32_t chunk_count;
    uint32_t records[CR_RECORD_CHUNKS];
    uint32_t used;    /* of the last chunk */
    uint32_t spilled; /* list of batches: a batch's first record has the next batch in `node`, its length in `thread` */
} slab;

/* ---- regions ---- */

static struct cr_region *add_region(uint64_t number)
{
    struct cr_region *region = cr_arena_alloc(sizeof *region, 64);
    if (!region)
        return NULL;
    region->number = number;
    return cr_table_add(&regions, number, region) ? NULL : region;
}

struct cr_region *cr_region_find(uint64_t number, bool create)
{
    uint64_t entry = (number ^ number >> 61 << 13) & (CR_FRONT_ENTRIES - 1);
    cr_lock(&cr_regions_lock);
    struct cr_region *region = cr_table_find(&regions, number);
    if (!region && create)
        region = add_region(number);
    if (region)
        atomic_store_explicit(&cr_region_front[entry], region, memory_order_release);
    cr_unlock(&cr_regions_lock);
    return region;
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

uint32_t cr_record_refill(struct cr_spares *spares)
{
    uint32_t index;
    cr_lock(&cr_records_lock);
    if (slab.spilled) {
        index = slab.spilled;
        slab.spilled = cr_record(index)->node;
        spares->head = (uint32_t)cr_record(index)->size_tag;
        spares->count = cr_record(index)->thread - 1;
    } else {
        index = fresh_run(spares);
    }
    cr_unlock(&cr_records_lock);
    return index;
}

/* Gives the first half of a full list, or all of a short one, to everybody. */
void cr_record_spill(struct cr_spares *spares)
{
    if (!spares->count)
        return;
    uint32_t count = spares->count > CR_SPARES_MOST ? CR_SPARES_MOST / 2 : spares->count;
    struct cr_record *first = cr_record(spares->head), *last = first;
    for (uint32_t i = 1; i < count; i++)
        last = cr_record((uint32_t)last->size_tag);

    uint32_t rest = (uint32_t)last->size_tag;
    last->size_tag = 0;

    cr_lock(&cr_records_lock); /* from here on the batch is everybody's */
    first->thread = count;
    first->node = slab.spilled;
    slab.spilled = spares->head;
    cr_unlock(&cr_records_lock);

    spares->head = rest;
    spares->count -= count;
}

uint32_t cr_record_index(const struct cr_record *record)
{
    for (uint32_t c = 0; c < slab.chunk_count; c++)
        if ((uintptr_t)record - (uintptr_t)cr_record_chunk[c] < slab.records[c] * sizeof *record)
            return c << CR_RECORD_CHUNK_SHIFT | (uint32_t)(record - cr_record_chunk[c]);
    return 0;
}

void cr_block_each(void (*visit)(void *context, struct cr_record *record), void *context)
{
    for (uint32_t c = 0; c < slab.chunk_count; c++) {
        uint32_t count = c + 1 == slab.chunk_count ? slab.used : slab.records[c];
        for (uint32_t i = 0; i < count; i++)
            if (atomic_load_explicit(&cr_record_chunk[c][i].address, memory_order_relaxed))
                visit(context, &cr_record_chunk[c][i]);
    }
}
