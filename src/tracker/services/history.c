/* history.c - see history.h. */
#include "services/history.h"

#include <string.h>

#include "base/counter.h"
#include "base/banned.h"

#define GROW_BY 32u

static size_t entry_bytes(const struct cr_history_kind *kind)
{
    return cr_recording->sections[kind->section].item_bytes;
}

/* The item of an entry, when the first half is in the low (0) or high (1) items. */
static uint32_t item_of(const struct cr_history_kind *kind, uint32_t number, unsigned high)
{
    return 1 + number + (high && number < kind->half ? 2 * kind->half : 0);
}

static char *at(const struct cr_history_kind *kind, uint32_t number, unsigned high)
{
    return cr_section_items[kind->section] + item_of(kind, number, high) * entry_bytes(kind);
}

static uint64_t time_of(const void *entry)
{
    uint64_t time;
    memcpy(&time, entry, sizeof time);
    return time;
}

/* Whether items up to this one are there. */
static bool room_for(const struct cr_history_kind *kind, uint32_t item)
{
    uint64_t used = CR_LOAD(cr_recording->sections[kind->section].used);
    uint32_t more = item < used ? 0 : item - (uint32_t)used + 1;
    if (more && more < GROW_BY)
        more = GROW_BY;
    return !more || cr_recording_append(kind->section, NULL, more) != CR_NO_ITEM;
}

uint32_t cr_history_count(const struct cr_history_kind *kind)
{
    return (uint32_t)(CR_LOAD(cr_history(kind)->state) >> 1);
}

void *cr_history_entry(const struct cr_history_kind *kind, uint32_t number)
{
    return at(kind, number, CR_LOAD(cr_history(kind)->state) & 1);
}

/* Goes through the entries, those that reach no further than `interval` from the end of the ones before together: makes one of
 * them in the other first half, if `write`. Returns how many that gives. */
static uint32_t merge(const struct cr_history_kind *kind, uint64_t interval, bool write)
{
    unsigned high = CR_LOAD(cr_history(kind)->state) & 1;
    uint32_t count = cr_history_count(kind), merged = 0;
    uint64_t start = 0;
    for (uint32_t i = 0, next; i < count; i = next, merged++) {
        char *into = write ? memcpy(at(kind, merged, !high), at(kind, i, high), entry_bytes(kind)) : NULL;
        uint64_t end = time_of(at(kind, i, high));
        for (next = i + 1; next < count && time_of(at(kind, next, high)) - start <= interval; next++) {
            end = time_of(at(kind, next, high));
            if (write)
                kind->absorb(into, at(kind, next, high));
        }
        start = end;
    }
    return merged;
}

static bool thin(const struct cr_history_kind *kind)
{
    struct cr_history *history = cr_history(kind);
    uint64_t state = CR_LOAD(history->state), interval = CR_LOAD(history->interval_ns) * 2 + 1;
    if (!room_for(kind, item_of(kind, kind->half - 1, 1)))
        return false;
    while (merge(kind, interval, false) > kind->half)
        interval *= 2;
    uint64_t merged = merge(kind, interval, true);
    CR_STORE(history->interval_ns, interval);
    atomic_store_explicit(&history->state, merged << 1 | (~state & 1), memory_order_release);
    return true;
}

/* The item of the next entry. */
static uint32_t next_item(const struct cr_history_kind *kind)
{
    return item_of(kind, cr_history_count(kind), CR_LOAD(cr_history(kind)->state) & 1);
}

bool cr_history_is_full(const struct cr_history_kind *kind)
{
    return cr_history_count(kind) == 2 * kind->half ||
           next_item(kind) >= CR_LOAD(cr_recording->sections[kind->section].used);
}

bool cr_history_reserve(const struct cr_history_kind *kind)
{
    if (cr_history_count(kind) == 2 * kind->half && !thin(kind))
        return false;
    return room_for(kind, next_item(kind));
}

bool cr_history_add(const struct cr_history_kind *kind, const void *entry)
{
    struct cr_history *history = cr_history(kind);
    if (!cr_history_reserve(kind))
        return false;
    uint64_t state = CR_LOAD(history->state);
    memcpy(at(kind, (uint32_t)(state >> 1), state & 1), entry, entry_bytes(kind));
    atomic_store_explicit(&history->state, state + 2, memory_order_release);
    return true;
}
