/* quarantine.c - see quarantine.h. Blocks that are handed in stand in a ring; it has room for as many as the limit allows, since each
 * counts its entry as well. */
#include "events/quarantine.h"

#include <stdatomic.h>
#include <time.h>

#include "platform/platform.h"
#include "services/arena.h"
#include "state/extents.h"
#include "state/thread.h"
#include "state/zones.h"
#include "base/banned.h"

#define STAGED_MOST 32u
#define STAGED_SHARE 64u /* of the limit, that one thread may stage */
#define LEAVING_MOST 64u
#define SMALLEST_BYTES (cr_zone_total(0, 16) + sizeof(struct cr_freed))

struct cr_staged {
    struct cr_staged *next; /* of all threads'; a state that another thread takes over keeps its blocks */
    _Atomic uint32_t count;
    uint64_t bytes;
    struct cr_freed entry[STAGED_MOST];
};

struct cr_lock cr_quarantine_lock = CR_LOCK_INIT;

static struct {
    struct cr_quarantine_ways ways;
    uint64_t limit;
    struct cr_staged *_Atomic staged;
    /* under the lock */
    struct cr_freed *ring;
    uint64_t mask, first, end; /* of the ring, of a power of two of entries; entry n is at n & mask */
    uint64_t bytes;
} quarantine;

static uint64_t charge(const struct cr_freed *freed)
{
    return cr_zone_total(freed->size, 16) + sizeof(struct cr_freed);
}

void cr_quarantine_start(uint64_t limit, struct cr_quarantine_ways ways)
{
    quarantine.ways = ways;
    uint64_t entries = 1;
    while (entries < limit / SMALLEST_BYTES + STAGED_MOST)
        entries *= 2;
    bool possible = limit && entries < SIZE_MAX / sizeof(struct cr_freed);
    quarantine.ring = possible ? cr_os_map(entries * sizeof(struct cr_freed)) : NULL;
    quarantine.mask = entries - 1;
    quarantine.limit = quarantine.ring ? limit : 0;
}

/* ---- leaving ---- */

static bool is_whole(const struct cr_freed *freed)
{
    const void *block = (const void *)freed->block;
    return (!freed->filled || cr_fill_is_whole(block, freed->size)) &&
           (freed->zones_told || cr_zone_is_whole(block, freed->size));
}

static void let_go(struct cr_thread *thread, const struct cr_freed *freed)
{
    if (CR_UNLIKELY(!is_whole(freed)))
        quarantine.ways.tell(thread, freed);
    cr_extent_gone(freed->block);
    if (CR_LIKELY(freed->base != NULL))
        quarantine.ways.release(freed->base);
}

/* ---- coming in ---- */

static struct cr_staged *staged_of(struct cr_thread *thread)
{
    if (CR_LIKELY(thread->staged != NULL))
        return thread->staged;
    struct cr_staged *staged = cr_arena_alloc(sizeof *staged, 64);
    if (!staged)
        return NULL;
    staged->next = atomic_load(&quarantine.staged);
    while (!atomic_compare_exchange_weak(&quarantine.staged, &staged->next, staged))
        ;
    return thread->staged = staged;
}

/* The oldest blocks have not been touched for long. */
static void ask_for(const struct cr_freed *freed)
{
    const char *block = (const char *)freed->block;
    cr_extent_prefetch(freed->block);
    __builtin_prefetch(block - 32, 1); /* the allocator's header, the front zone */
    __builtin_prefetch(block + freed->size, 1);
    if (freed->size > 96)
        __builtin_prefetch(block + 48);
}

/* Moves what is staged into the ring and up to LEAVING_MOST of the oldest out of it. How many. */
static uint32_t hand_in(struct cr_staged *staged, struct cr_freed *leaving)
{
    uint32_t count = 0;
    cr_lock(&cr_quarantine_lock);
    for (uint32_t i = 0; i < atomic_load_explicit(&staged->count, memory_order_relaxed); i++)
        quarantine.ring[quarantine.end++ & quarantine.mask] = staged->entry[i];
    quarantine.bytes += staged->bytes;
    atomic_store_explicit(&staged->count, 0, memory_order_release);
    staged->bytes = 0;
    while (quarantine.bytes > quarantine.limit && count < LEAVING_MOST) {
        leaving[count] = quarantine.ring[quarantine.first++ & quarantine.mask];
        ask_for(&leaving[count]);
        quarantine.bytes -= charge(&leaving[count++]);
    }
    cr_unlock(&cr_quarantine_lock);
    return count;
}

static void pass_on(struct cr_thread *thread, struct cr_staged *staged)
{
    struct cr_freed leaving[LEAVING_MOST];
    uint32_t count;
    do {
        count = hand_in(staged, leaving);
        for (uint32_t i = 0; i < count; i++)
            let_go(thread, &leaving[i]);
    } while (count == LEAVING_MOST);
}

void cr_quarantine_add(struct cr_thread *thread, const struct cr_freed *freed)
{
    uint64_t bytes = charge(freed);
    struct cr_staged *staged = bytes <= quarantine.limit ? staged_of(thread) : NULL;
    if (!staged) {
        struct cr_freed now = *freed;
        now.filled = false;
        now.zones_told = true;
        let_go(thread, &now);
        return;
    }
    cr_extent_freed(freed->block, freed->size);
    if (freed->filled)
        cr_fill((void *)freed->block, freed->size, CR_FILL_FREED);
    uint32_t count = atomic_load_explicit(&staged->count, memory_order_relaxed);
    staged->entry[count] = *freed;
    staged->bytes += bytes;
    atomic_store_explicit(&staged->count, ++count, memory_order_release);
    if (CR_UNLIKELY(count == STAGED_MOST || staged->bytes > quarantine.limit / STAGED_SHARE))
        pass_on(thread, staged);
}

/* ---- looking at all of them ---- */

/* Calls visit for every block until it says true. Under the lock; what other threads stage meanwhile may be missed. */
static bool each(bool (*visit)(struct cr_freed *freed, void *context), void *context)
{
    for (struct cr_staged *staged = atomic_load(&quarantine.staged); staged; staged = staged->next) {
        uint32_t count = atomic_load_explicit(&staged->count, memory_order_acquire);
        for (uint32_t i = 0; i < count; i++)
            if (visit(&staged->entry[i], context))
                return true;
    }
    for (uint64_t n = quarantine.first; n < quarantine.end; n++)
        if (visit(&quarantine.ring[n & quarantine.mask], context))
            return true;
    return false;
}

/* Whether the lock came free: a signal handler may have interrupted its holder, who waits for the handler then. */
static bool lock_soon(void)
{
    struct timespec pause = {0, 100000};
    for (int i = 0; i < 1000; i++) {
        if (cr_lock_try(&cr_quarantine_lock))
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

#define SPOILT_MOST 64u

struct spoilt {
    struct cr_freed found[SPOILT_MOST];
    uint32_t count;
};

/* Collects blocks that were written to, each once. */
static bool is_spoilt(struct cr_freed *freed, void *context)
{
    struct spoilt *spoilt = context;
    if (is_whole(freed))
        return false;
    spoilt->found[spoilt->count++] = *freed;
    freed->filled = false;
    freed->zones_told = true;
    return spoilt->count == SPOILT_MOST;
}

void cr_quarantine_check(struct cr_thread *thread)
{
    struct spoilt spoilt;
    do {
        spoilt.count = 0;
        if (!lock_soon())
            return;
        each(is_spoilt, &spoilt);
        cr_unlock(&cr_quarantine_lock);
        for (uint32_t i = 0; i < spoilt.count; i++)
            quarantine.ways.tell(thread, &spoilt.found[i]);
    } while (spoilt.count == SPOILT_MOST);
}

struct search {
    uintptr_t block;
    struct cr_freed *found;
};

static bool is_block(struct cr_freed *freed, void *context)
{
    const struct search *search = context;
    if (freed->block != search->block)
        return false;
    *search->found = *freed;
    return true;
}

bool cr_quarantine_find(uintptr_t block, struct cr_freed *freed)
{
    struct search search = {block, freed};
    if (!lock_soon())
        return false;
    bool found = each(is_block, &search);
    cr_unlock(&cr_quarantine_lock);
    return found;
}
