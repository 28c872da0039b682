/* quarantine.c - see quarantine.h. */
#include "events/quarantine.h"

#include <stdatomic.h>

#include "services/arena.h"
#include "state/extents.h"
#include "state/thread.h"
#include "state/zones.h"
#include "base/banned.h"

#define CHUNK_BLOCKS 64u
#define CHUNK_SHARE 64u /* of the limit: a chunk of more bytes is handed in before it is full, and leaves at once */
#define CLAIM_BLOCKS 8u
#define AHEAD_BLOCKS 4u
#define ASKED_BYTES 256u /* of a block; the processor sees by itself that larger ones are gone through */

struct chunk {
    struct chunk *older, *newer; /* in the queue */
    struct chunk *next;          /* of the same thread, in the queue; else of chunks that wait to be used again */
    struct cr_staged *owner;
    uint64_t number; /* counts the chunks that ever joined the queue */
    uint64_t bytes;
    _Atomic uint32_t count;
    _Atomic uint32_t gone; /* of one that leaves: the thread has these, or will have let them go when it comes back */
    struct cr_freed entry[CHUNK_BLOCKS];
};

/* What a thread has. A state that another thread takes over keeps it all. */
struct cr_staged {
    struct cr_staged *next;         /* of all threads' */
    struct chunk *_Atomic coming;   /* not full */
    struct chunk *_Atomic leaving;  /* out of the queue; replaced under the lock */
    uint32_t place, claimed;        /* in `leaving`: the next to let go of, and how many are the thread's to let go of */
    struct chunk *done;             /* empty ones, to be used again */
    struct chunk *first, *last;     /* under the lock: its chunks in the queue */
};

struct cr_lock cr_quarantine_lock = CR_LOCK_INIT;

static struct {
    struct cr_quarantine_ways ways;
    uint64_t limit;
    struct cr_staged *_Atomic staged;
    /* under the lock */
    struct chunk *oldest, *newest, *spare;
    uint64_t chunks, number, bytes; /* in the queue; ever joined; in the queue */
} quarantine;

static uint64_t charge(uint64_t size) { return CR_ZONE_FRONT + cr_zone_reach(size) + sizeof(struct cr_freed); }

void cr_quarantine_start(uint64_t limit, struct cr_quarantine_ways ways)
{
    quarantine.ways = ways;
    quarantine.limit = limit;
}

/* ---- leaving ---- */

static bool is_whole(const struct cr_freed *freed)
{
    const void *block = (const void *)freed->block;
    size_t size = cr_freed_size(freed);
    return (!cr_freed_looks(freed, CR_FREED_LOOK_INSIDE) || cr_fill_is_whole(block, size)) &&
           (!cr_freed_looks(freed, CR_FREED_LOOK_AROUND) || cr_zone_is_whole(block, size));
}

static void let_go(struct cr_thread *thread, const struct cr_freed *freed)
{
    const void *block = (const void *)freed->block;
    bool whole = is_whole(freed);
    if (CR_UNLIKELY(!whole))
        quarantine.ways.tell(thread, freed);
    void *base = CR_LIKELY(whole && (freed->size_look_kind & CR_FREED_LOOK_AROUND))
                     ? cr_zone_whole_base(block)
                     : cr_zone_base(block, cr_freed_size(freed));
    cr_extent_gone(freed->block);
    if (CR_LIKELY(base != NULL)) /* else the memory stays taken */
        quarantine.ways.release(base);
}

/* The oldest blocks have not been touched for long. */
static void ask_for(const struct chunk *chunk, uint32_t place)
{
    if (place >= CHUNK_BLOCKS)
        return;
    const struct cr_freed *freed = &chunk->entry[place];
    uint64_t size = cr_freed_size(freed);
    const char *from = (const char *)freed->block - 32; /* the allocator's header, the front zone */
    const char *end = (const char *)freed->block + cr_zone_reach(size < ASKED_BYTES ? size : ASKED_BYTES);
    cr_extent_prefetch(freed->block);
    for (; from < end; from += 64)
        __builtin_prefetch(from, 1);
    __builtin_prefetch(end - 1, 1);
}

/* Makes some more of the leaving chunk the thread's own to let go of; false: there are none, or somebody looks at them. */
static bool claim(struct cr_staged *staged, struct chunk *chunk)
{
    uint32_t from = staged->claimed, count = atomic_load_explicit(&chunk->count, memory_order_relaxed);
    uint32_t to = count - from < CLAIM_BLOCKS ? count : from + CLAIM_BLOCKS;
    if (from == count ||
        !atomic_compare_exchange_strong_explicit(&chunk->gone, &from, to, memory_order_acq_rel, memory_order_relaxed))
        return false;
    staged->claimed = to;
    return true;
}

/* Lets blocks of the leaving chunk go, until about so many bytes are. */
static void let_some_go(struct cr_thread *thread, struct cr_staged *staged, uint64_t bytes)
{
    struct chunk *chunk = atomic_load_explicit(&staged->leaving, memory_order_relaxed);
    for (uint64_t gone = 0; chunk && gone < bytes;) {
        if (staged->place == staged->claimed && !claim(staged, chunk))
            return;
        ask_for(chunk, staged->place + AHEAD_BLOCKS);
        const struct cr_freed *freed = &chunk->entry[staged->place++];
        gone += charge(cr_freed_size(freed));
        let_go(thread, freed);
    }
}

/* All of a chunk that only this thread knows, from a place on. It is to be used again then. */
static void let_all_go(struct cr_thread *thread, struct cr_staged *staged, struct chunk *chunk, uint32_t place)
{
    uint32_t count = atomic_load_explicit(&chunk->count, memory_order_relaxed);
    for (; place < count; place++) {
        ask_for(chunk, place + AHEAD_BLOCKS);
        let_go(thread, &chunk->entry[place]);
    }
    chunk->next = staged->done;
    staged->done = chunk;
}

/* ---- the queue, under the lock ---- */

static void join(struct cr_staged *staged, struct chunk *chunk)
{
    chunk->owner = staged;
    chunk->number = quarantine.number++;
    chunk->older = quarantine.newest;
    chunk->newer = chunk->next = NULL;
    *(chunk->older ? &chunk->older->newer : &quarantine.oldest) = chunk;
    *(staged->first ? &staged->last->next : &staged->first) = chunk;
    quarantine.newest = staged->last = chunk;
    quarantine.bytes += chunk->bytes;
    quarantine.chunks++;
}

/* Takes out the oldest of a thread's. */
static struct chunk *take_out(struct cr_staged *staged)
{
    struct chunk *chunk = staged->first;
    staged->first = chunk->next;
    *(chunk->older ? &chunk->older->newer : &quarantine.oldest) = chunk->newer;
    *(chunk->newer ? &chunk->newer->older : &quarantine.newest) = chunk->older;
    quarantine.bytes -= chunk->bytes;
    quarantine.chunks--;
    return chunk;
}

/* Whose oldest chunk is to go: the thread's own unless half of the queue is older. */
static struct cr_staged *goes_next(struct cr_staged *staged)
{
    const struct chunk *own = staged->first, *oldest = quarantine.oldest;
    return own && own->number - oldest->number <= quarantine.chunks / 2 ? staged : oldest->owner;
}

/* Out of the queue what is over the limit. The last chunk, unless it is large, is `leaving` from now on; the others are returned. */
static struct chunk *make_room(struct cr_staged *staged)
{
    struct chunk *now = NULL;
    while (quarantine.bytes > quarantine.limit) {
        struct chunk *chunk = take_out(goes_next(staged));
        if (quarantine.bytes > quarantine.limit || chunk->bytes > quarantine.limit / CHUNK_SHARE) {
            chunk->next = now;
            now = chunk;
        } else
            atomic_store_explicit(&staged->leaving, chunk, memory_order_release);
    }
    return now;
}

static void put_back(struct cr_staged *staged)
{
    while (staged->done) {
        struct chunk *chunk = staged->done;
        staged->done = chunk->next;
        chunk->next = quarantine.spare;
        quarantine.spare = chunk;
    }
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

/* An empty chunk; NULL: no memory. */
static struct chunk *new_chunk(struct cr_staged *staged)
{
    struct chunk *chunk = staged->done;
    if (chunk)
        staged->done = chunk->next;
    else {
        cr_lock(&cr_quarantine_lock);
        chunk = quarantine.spare;
        if (chunk)
            quarantine.spare = chunk->next;
        cr_unlock(&cr_quarantine_lock);
        if (!chunk)
            chunk = cr_arena_alloc(sizeof *chunk, 64);
        if (!chunk)
            return NULL;
    }
    chunk->bytes = 0;
    atomic_store_explicit(&chunk->count, 0, memory_order_relaxed);
    atomic_store_explicit(&chunk->gone, 0, memory_order_relaxed);
    return chunk;
}

static struct chunk *coming_of(struct cr_staged *staged)
{
    struct chunk *chunk = atomic_load_explicit(&staged->coming, memory_order_relaxed);
    if (CR_LIKELY(chunk != NULL))
        return chunk;
    chunk = new_chunk(staged);
    atomic_store_explicit(&staged->coming, chunk, memory_order_release);
    return chunk;
}

/* The full chunk joins the queue, and what is over the limit leaves it. */
static void hand_in(struct cr_thread *thread, struct cr_staged *staged, struct chunk *full)
{
    cr_lock(&cr_quarantine_lock);
    struct chunk *rest = atomic_load_explicit(&staged->leaving, memory_order_relaxed);
    uint32_t place = staged->place;
    atomic_store_explicit(&staged->leaving, NULL, memory_order_relaxed);
    atomic_store_explicit(&staged->coming, NULL, memory_order_relaxed);
    staged->place = staged->claimed = 0;
    join(staged, full);
    struct chunk *now = make_room(staged), *leaving = atomic_load_explicit(&staged->leaving, memory_order_relaxed);
    put_back(staged);
    cr_unlock(&cr_quarantine_lock);
    if (rest)
        let_all_go(thread, staged, rest, place);
    while (now) {
        struct chunk *next = now->next;
        let_all_go(thread, staged, now, 0);
        now = next;
    }
    for (uint32_t i = 0; leaving && i < AHEAD_BLOCKS; i++)
        ask_for(leaving, i);
}

/* A block that is not kept. */
static CR_COLD void turn_away(struct cr_thread *thread, uintptr_t block, uint64_t size)
{
    struct cr_freed freed = {.block = block, .size_look_kind = cr_freed_sized(size, 0, 0)};
    let_go(thread, &freed);
}

void cr_quarantine_add(struct cr_thread *thread, uintptr_t block, uint64_t size_look_kind, uint32_t allocated,
                       uint32_t allocated_thread, uint32_t freed)
{
    uint64_t size = size_look_kind >> 16, bytes = charge(size);
    struct cr_staged *staged = bytes <= quarantine.limit ? staged_of(thread) : NULL;
    struct chunk *chunk = staged ? coming_of(staged) : NULL;
    if (CR_UNLIKELY(!chunk)) {
        turn_away(thread, block, size);
        return;
    }
    cr_fill((void *)block, size, CR_FILL_FREED);
    uint32_t count = atomic_load_explicit(&chunk->count, memory_order_relaxed);
    struct cr_freed *entry = &chunk->entry[count];
    entry->block = block;
    entry->size_look_kind = size_look_kind;
    entry->allocated = allocated;
    entry->freed = freed;
    entry->allocated_thread = allocated_thread;
    entry->freed_thread = thread->number;
    chunk->bytes += bytes;
    atomic_store_explicit(&chunk->count, ++count, memory_order_release);
    if (CR_UNLIKELY(count == CHUNK_BLOCKS || chunk->bytes > quarantine.limit / CHUNK_SHARE))
        hand_in(thread, staged, chunk);
    else
        let_some_go(thread, staged, bytes);
}

/* ---- looking at all of them ---- */

typedef bool visitor(struct cr_freed *freed, void *context);

static bool each_of(struct chunk *chunk, uint32_t from, visitor *visit, void *context)
{
    uint32_t count = chunk ? atomic_load_explicit(&chunk->count, memory_order_acquire) : 0;
    bool enough = false;
    for (uint32_t i = from; i < count && !enough; i++)
        enough = visit(&chunk->entry[i], context);
    return enough;
}

/* Those that its thread has not claimed yet; meanwhile it cannot. */
static bool each_leaving(struct chunk *chunk, visitor *visit, void *context)
{
    if (!chunk)
        return false;
    uint32_t count = atomic_load_explicit(&chunk->count, memory_order_acquire);
    uint32_t from = atomic_exchange_explicit(&chunk->gone, count, memory_order_acq_rel);
    bool enough = each_of(chunk, from, visit, context);
    atomic_store_explicit(&chunk->gone, from, memory_order_release);
    return enough;
}

/* Calls visit for every block until it says true. Under the lock; what other threads bring in meanwhile may be missed, and so are the few
 * that they are about to let go of. */
static bool each(visitor *visit, void *context)
{
    for (struct cr_staged *staged = atomic_load(&quarantine.staged); staged; staged = staged->next)
        if (each_of(atomic_load_explicit(&staged->coming, memory_order_acquire), 0, visit, context) ||
            each_leaving(atomic_load_explicit(&staged->leaving, memory_order_acquire), visit, context))
            return true;
    for (struct chunk *chunk = quarantine.oldest; chunk; chunk = chunk->newer)
        if (each_of(chunk, 0, visit, context))
            return true;
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
    freed->size_look_kind &= ~(uint64_t)CR_FREED_LOOK;
    return spoilt->count == SPOILT_MOST;
}

void cr_quarantine_check(struct cr_thread *thread)
{
    struct spoilt spoilt;
    do {
        spoilt.count = 0;
        if (!cr_lock_soon(&cr_quarantine_lock))
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
    if (!cr_lock_soon(&cr_quarantine_lock))
        return false;
    bool found = each(is_block, &search);
    cr_unlock(&cr_quarantine_lock);
    return found;
}
