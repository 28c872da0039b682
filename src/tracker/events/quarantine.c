/* quarantine.c - see quarantine.h. */
#include "events/quarantine_parts.h"

#include "services/arena.h"
#include "state/extents.h"
#include "state/thread.h"
#include "base/banned.h"

#define BATCH_SHARE 64u /* of the limit: a batch of more bytes is handed in before it is full, and leaves at once */
#define CLAIM_BLOCKS 8u
#define AHEAD_BLOCKS 4u
#define ASKED_BYTES 256u /* of a block; the processor sees by itself that larger ones are gone through */

struct cr_lock cr_quarantine_lock = CR_LOCK_INIT;
struct cr_quarantine cr_quarantine;

static uint64_t charge(uint64_t size) { return CR_ZONE_FRONT + cr_zone_reach(size) + sizeof(struct cr_freed); }

void cr_quarantine_start(uint64_t limit, struct cr_quarantine_ways ways)
{
    cr_quarantine.ways = ways;
    cr_quarantine.limit = limit;
}

/* ---- leaving ---- */

static uint64_t granules(uint64_t size) { return (size + 15) >> 4; }

/* A small block whose zones are whole is kept for the next one of its size: that needs no allocator, which would have to be told twice. */
static bool keep(struct cr_staged *staged, const struct cr_freed *freed)
{
    uint64_t class = granules(cr_freed_size(freed));
    if (class >= CR_QUARANTINE_CLASSES || staged->kept[class] == CR_QUARANTINE_KEPT_MOST ||
        cr_zone_whole_base((const void *)freed->block) != (const char *)freed->block - CR_ZONE_FRONT)
        return false;
    staged->keep[class][staged->kept[class]++] = freed->block;
    return true;
}

void *cr_quarantine_kept(struct cr_thread *thread, size_t size)
{
    struct cr_staged *staged = thread->staged;
    uint64_t class = granules(size);
    if (!staged || class >= CR_QUARANTINE_CLASSES || !staged->kept[class])
        return NULL;
    return (void *)staged->keep[class][--staged->kept[class]];
}

static CR_COLD void tell(struct cr_thread *thread, const struct cr_freed *freed)
{
    struct cr_freed_damage damage = cr_freed_damage(freed);
    cr_quarantine.ways.tell(thread, freed, &damage);
}

/* staged: NULL, if it was never kept. */
static void let_go(struct cr_thread *thread, struct cr_staged *staged, const struct cr_freed *freed)
{
    const void *block = (const void *)freed->block;
    bool whole = cr_freed_is_whole(freed), around = freed->size_look_kind & CR_FREED_LOOK_AROUND;
    if (CR_LIKELY(whole && around && staged && keep(staged, freed)))
        return;
    if (CR_UNLIKELY(!whole))
        tell(thread, freed);
    void *base = CR_LIKELY(whole && around) ? cr_zone_whole_base(block) : cr_zone_base(block, cr_freed_size(freed));
    cr_extent_gone(freed->block);
    if (CR_LIKELY(base != NULL)) /* else the memory stays taken */
        cr_quarantine.ways.release(base);
}

/* The oldest blocks have not been touched for long. */
static void ask_for(const struct cr_batch *batch, uint32_t place)
{
    if (place >= CR_BATCH_BLOCKS)
        return;
    const struct cr_freed *freed = &batch->entry[place];
    uint64_t size = cr_freed_size(freed);
    const char *from = (const char *)freed->block - 32; /* the allocator's header, the front zone */
    const char *end = (const char *)freed->block + cr_zone_reach(size < ASKED_BYTES ? size : ASKED_BYTES);
    cr_extent_prefetch(freed->block);
    for (; from < end; from += 64)
        __builtin_prefetch(from, 1);
    __builtin_prefetch(end - 1, 1);
}

/* Makes some more of the leaving batch the thread's own to let go of; false: there are none, or somebody looks at them. */
static bool claim(struct cr_staged *staged, struct cr_batch *batch)
{
    uint32_t from = staged->claimed, count = atomic_load_explicit(&batch->count, memory_order_relaxed);
    uint32_t to = count - from < CLAIM_BLOCKS ? count : from + CLAIM_BLOCKS;
    if (from == count ||
        !atomic_compare_exchange_strong_explicit(&batch->gone, &from, to, memory_order_acq_rel, memory_order_relaxed))
        return false;
    staged->claimed = to;
    return true;
}

/* Lets blocks of the leaving batch go, until about so many bytes are. */
static void let_some_go(struct cr_thread *thread, struct cr_staged *staged, uint64_t bytes)
{
    struct cr_batch *batch = atomic_load_explicit(&staged->leaving, memory_order_relaxed);
    for (uint64_t gone = 0; batch && gone < bytes;) {
        if (staged->place == staged->claimed && !claim(staged, batch))
            return;
        ask_for(batch, staged->place + AHEAD_BLOCKS);
        const struct cr_freed *freed = &batch->entry[staged->place++];
        gone += charge(cr_freed_size(freed));
        let_go(thread, staged, freed);
    }
}

/* All of a batch that only this thread knows, from a place on. It is to be used again then. */
static void let_all_go(struct cr_thread *thread, struct cr_staged *staged, struct cr_batch *batch, uint32_t place)
{
    uint32_t count = atomic_load_explicit(&batch->count, memory_order_relaxed);
    for (; place < count; place++) {
        ask_for(batch, place + AHEAD_BLOCKS);
        let_go(thread, staged, &batch->entry[place]);
    }
    batch->next = staged->done;
    staged->done = batch;
}

/* ---- the queue, under the lock ---- */

static void join(struct cr_staged *staged, struct cr_batch *batch)
{
    batch->owner = staged;
    batch->number = cr_quarantine.number++;
    batch->older = cr_quarantine.newest;
    batch->newer = batch->next = NULL;
    *(batch->older ? &batch->older->newer : &cr_quarantine.oldest) = batch;
    *(staged->first ? &staged->last->next : &staged->first) = batch;
    cr_quarantine.newest = staged->last = batch;
    cr_quarantine.bytes += batch->bytes;
    cr_quarantine.batches++;
}

/* Takes out the oldest of a thread's. */
static struct cr_batch *take_out(struct cr_staged *staged)
{
    struct cr_batch *batch = staged->first;
    staged->first = batch->next;
    *(batch->older ? &batch->older->newer : &cr_quarantine.oldest) = batch->newer;
    *(batch->newer ? &batch->newer->older : &cr_quarantine.newest) = batch->older;
    cr_quarantine.bytes -= batch->bytes;
    cr_quarantine.batches--;
    return batch;
}

/* Whose oldest batch is to go: the thread's own unless half of the queue is older. */
static struct cr_staged *goes_next(struct cr_staged *staged)
{
    const struct cr_batch *own = staged->first, *oldest = cr_quarantine.oldest;
    return own && own->number - oldest->number < (cr_quarantine.batches + 1) / 2 ? staged : oldest->owner;
}

/* Out of the queue what is over the limit. The last batch, unless it is large, is `leaving` from now on; the others are returned. */
static struct cr_batch *make_room(struct cr_staged *staged)
{
    struct cr_batch *now = NULL;
    while (cr_quarantine.bytes > cr_quarantine.limit) {
        struct cr_batch *batch = take_out(goes_next(staged));
        if (cr_quarantine.bytes > cr_quarantine.limit || batch->bytes > cr_quarantine.limit / BATCH_SHARE) {
            batch->next = now;
            now = batch;
        } else
            atomic_store_explicit(&staged->leaving, batch, memory_order_release);
    }
    return now;
}

static void put_back(struct cr_staged *staged)
{
    while (staged->done) {
        struct cr_batch *batch = staged->done;
        staged->done = batch->next;
        batch->next = cr_quarantine.spare;
        cr_quarantine.spare = batch;
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
    staged->next = atomic_load(&cr_quarantine.staged);
    while (!atomic_compare_exchange_weak(&cr_quarantine.staged, &staged->next, staged))
        ;
    return thread->staged = staged;
}

/* An empty batch; NULL: no memory. */
static struct cr_batch *new_batch(struct cr_staged *staged)
{
    struct cr_batch *batch = staged->done;
    if (batch)
        staged->done = batch->next;
    else {
        cr_lock(&cr_quarantine_lock);
        batch = cr_quarantine.spare;
        if (batch)
            cr_quarantine.spare = batch->next;
        cr_unlock(&cr_quarantine_lock);
        if (!batch)
            batch = cr_arena_alloc(sizeof *batch, 64);
        if (!batch)
            return NULL;
    }
    batch->bytes = 0;
    atomic_store_explicit(&batch->count, 0, memory_order_relaxed);
    atomic_store_explicit(&batch->gone, 0, memory_order_relaxed);
    return batch;
}

static struct cr_batch *coming_of(struct cr_staged *staged)
{
    struct cr_batch *batch = atomic_load_explicit(&staged->coming, memory_order_relaxed);
    if (CR_LIKELY(batch != NULL))
        return batch;
    batch = new_batch(staged);
    atomic_store_explicit(&staged->coming, batch, memory_order_release);
    return batch;
}

/* The full batch joins the queue, and what is over the limit leaves it. */
static void hand_in(struct cr_thread *thread, struct cr_staged *staged, struct cr_batch *full)
{
    cr_lock(&cr_quarantine_lock);
    struct cr_batch *rest = atomic_load_explicit(&staged->leaving, memory_order_relaxed);
    uint32_t place = staged->place;
    atomic_store_explicit(&staged->leaving, NULL, memory_order_relaxed);
    atomic_store_explicit(&staged->coming, NULL, memory_order_relaxed);
    staged->place = staged->claimed = 0;
    join(staged, full);
    struct cr_batch *now = make_room(staged), *leaving = atomic_load_explicit(&staged->leaving, memory_order_relaxed);
    put_back(staged);
    cr_unlock(&cr_quarantine_lock);
    if (rest)
        let_all_go(thread, staged, rest, place);
    while (now) {
        struct cr_batch *next = now->next;
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
    let_go(thread, NULL, &freed);
}

void cr_quarantine_add(struct cr_thread *thread, uintptr_t block, uint64_t size_look_kind, uint32_t allocated,
                       uint32_t allocated_thread, uint32_t freed)
{
    uint64_t size = size_look_kind >> 16, bytes = charge(size);
    struct cr_staged *staged = bytes <= cr_quarantine.limit ? staged_of(thread) : NULL;
    struct cr_batch *batch = staged ? coming_of(staged) : NULL;
    if (CR_UNLIKELY(!batch)) {
        turn_away(thread, block, size);
        return;
    }
    cr_fill((void *)block, size, CR_FILL_FREED);
    uint32_t count = atomic_load_explicit(&batch->count, memory_order_relaxed);
    struct cr_freed *entry = &batch->entry[count];
    entry->block = block;
    entry->size_look_kind = size_look_kind;
    entry->allocated = allocated;
    entry->freed = freed;
    entry->allocated_thread = allocated_thread;
    entry->freed_thread = thread->number;
    batch->bytes += bytes;
    atomic_store_explicit(&batch->count, ++count, memory_order_release);
    if (CR_UNLIKELY(count == CR_BATCH_BLOCKS || batch->bytes > cr_quarantine.limit / BATCH_SHARE))
        hand_in(thread, staged, batch);
    else
        let_some_go(thread, staged, bytes);
}
