/* series.c - see series.h. Items of SITES belong to threads; those of one place are added up. Which place an item is of is found
 * once, and kept for the next time. */
#include "state/series.h"

#include <string.h>

#include "platform/platform.h"
#include "state/call_tree.h"
#include "base/counter.h"
#include "base/banned.h"

#define FIRST_INTERVAL_NS ((uint64_t)1 << 20)
#define FIRST_ITEMS 1024u
#define BASE_COST_NS ((uint64_t)20000)
#define ITEM_COST_NS ((uint64_t)40)

struct sum {
    int64_t bytes, blocks;
};

/* Arrays by item of SITES; one mapping each, replaced by one twice as large. */
static struct {
    uint32_t *first;  /* the first item of its place; 0: no site */
    struct sum *sum;  /* at the first items */
    uint32_t *hashed; /* a hash table of first items, of twice as many entries */
    uint32_t room, known;
    bool shared; /* some place has more than one item; else nothing is added up */
} items;

static void keep_last(void *entry, const void *next) { memcpy(entry, next, sizeof(struct cr_series_point)); }

const struct cr_history_kind cr_series_points = {CR_SECTION_SERIES, CR_SERIES_HALF, keep_last};

/* ---- places ---- */

static uint32_t first_of_place(uint32_t item)
{
    const struct cr_site *site = cr_site(item);
    uint32_t mask = 2 * items.room - 1;
    for (uint32_t i = cr_tree_hash(site->parent, site->pc) & mask;; i = (i + 1) & mask) {
        uint32_t other = items.hashed[i];
        if (!other)
            return items.hashed[i] = item;
        if (cr_site(other)->pc == site->pc && cr_site(other)->parent == site->parent)
            return other;
    }
}

static void release(void)
{
    if (items.first)
        cr_os_unmap(items.first, items.room * sizeof *items.first);
    if (items.sum)
        cr_os_unmap(items.sum, items.room * sizeof *items.sum);
    if (items.hashed)
        cr_os_unmap(items.hashed, 2 * items.room * sizeof *items.hashed);
    items.first = items.hashed = NULL;
    items.sum = NULL;
    items.room = items.known = 0;
    items.shared = false;
}

static bool make_room(uint32_t count)
{
    if (count <= items.room)
        return true;
    uint32_t room = items.room ? items.room : FIRST_ITEMS;
    while (room < count)
        room *= 2;
    release();
    items.room = room;
    items.first = cr_os_map(room * sizeof *items.first);
    items.sum = cr_os_map(room * sizeof *items.sum);
    items.hashed = cr_os_map(2 * room * sizeof *items.hashed);
    if (items.first && items.sum && items.hashed)
        return true;
    release();
    return false;
}

static struct sum of_item(uint32_t item)
{
    return (struct sum){CR_LOAD(cr_site(item)->live_bytes), CR_LOAD(cr_site(item)->live_blocks)};
}

/* Adds up what lives at every place, where that takes more than one item; how many items there are, 0: no memory. */
static uint32_t add_up(void)
{
    uint32_t count =
        (uint32_t)atomic_load_explicit(&cr_recording->sections[CR_SECTION_SITES].used, memory_order_acquire);
    if (!make_room(count))
        return 0;
    for (; items.known < count; items.known++) {
        uint32_t first = cr_site(items.known)->pc ? first_of_place(items.known) : 0;
        items.shared |= first && first != items.known;
        items.first[items.known] = first;
    }
    if (!items.shared)
        return count;
    memset(items.sum, 0, count * sizeof *items.sum);
    for (uint32_t i = 1; i < count; i++) {
        struct sum *sum = &items.sum[items.first[i]], own = of_item(i);
        sum->bytes += own.bytes;
        sum->blocks += own.blocks;
    }
    return count;
}

/* ---- the largest: a binary heap, the smallest on top ---- */

static void sift_down(struct cr_series_entry *heap, uint32_t count)
{
    for (uint32_t at = 0, child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1].bytes < heap[child].bytes)
            child++;
        if (heap[at].bytes <= heap[child].bytes)
            return;
        struct cr_series_entry copy = heap[at];
        heap[at] = heap[child];
        heap[child] = copy;
    }
}

static void sift_up(struct cr_series_entry *heap, uint32_t at)
{
    for (uint32_t parent; at && heap[at].bytes < heap[parent = (at - 1) / 2].bytes; at = parent) {
        struct cr_series_entry copy = heap[at];
        heap[at] = heap[parent];
        heap[parent] = copy;
    }
}

static void keep(struct cr_series_point *point, const struct cr_series_entry *entry)
{
    if (point->count < CR_SERIES_SITES) {
        point->top[point->count] = *entry;
        sift_up(point->top, point->count++);
    } else if (entry->bytes > point->top[0].bytes) {
        point->top[0] = *entry;
        sift_down(point->top, point->count);
    }
}

void cr_series_start(void)
{
    release();
    CR_STORE(cr_history(&cr_series_points)->interval_ns, FIRST_INTERVAL_NS);
}

uint64_t cr_series_cost_ns(void) { return BASE_COST_NS + (uint64_t)items.known * ITEM_COST_NS; }

uint64_t cr_series_interval(void) { return CR_LOAD(cr_history(&cr_series_points)->interval_ns); }

bool cr_series_point(uint64_t time_ns)
{
    static struct cr_series_point point;
    uint32_t count = add_up();
    if (!count)
        return false;
    point = (struct cr_series_point){.time_ns = time_ns};
    for (uint32_t i = 1; i < count; i++) {
        struct sum sum = items.shared ? items.sum[i] : of_item(i);
        if (items.first[i] != i || sum.bytes <= 0)
            continue;
        struct cr_series_entry entry = {i, sum.blocks > 0 ? (uint32_t)sum.blocks : 0, (uint64_t)sum.bytes};
        point.places++;
        keep(&point, &entry);
    }
    return cr_history_add(&cr_series_points, &point);
}
