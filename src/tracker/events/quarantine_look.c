/* quarantine_look.c - looking at all blocks in quarantine; see quarantine.h. */
#include "events/quarantine_parts.h"

#include "base/banned.h"

typedef bool visitor(struct cr_freed *freed, void *context);

static bool each_of(struct cr_batch *batch, uint32_t from, visitor *visit, void *context)
{
    uint32_t count = batch ? atomic_load_explicit(&batch->count, memory_order_acquire) : 0;
    bool enough = false;
    for (uint32_t i = from; i < count && !enough; i++)
        enough = visit(&batch->entry[i], context);
    return enough;
}

/* Those that its thread has not claimed yet; meanwhile it cannot. */
static bool each_leaving(struct cr_batch *batch, visitor *visit, void *context)
{
    if (!batch)
        return false;
    uint32_t count = atomic_load_explicit(&batch->count, memory_order_acquire);
    uint32_t from = atomic_exchange_explicit(&batch->gone, count, memory_order_acq_rel);
    bool enough = each_of(batch, from, visit, context);
    atomic_store_explicit(&batch->gone, from, memory_order_release);
    return enough;
}

/* Calls visit for every block until it says true. Under the lock; what other threads bring in meanwhile may be missed, and so are the few
 * that they are about to let go of. */
static bool each(visitor *visit, void *context)
{
    for (struct cr_staged *staged = atomic_load(&cr_quarantine.staged); staged; staged = staged->next)
        if (each_of(atomic_load_explicit(&staged->coming, memory_order_acquire), 0, visit, context) ||
            each_leaving(atomic_load_explicit(&staged->leaving, memory_order_acquire), visit, context))
            return true;
    for (struct cr_batch *batch = cr_quarantine.oldest; batch; batch = batch->newer)
        if (each_of(batch, 0, visit, context))
            return true;
    return false;
}

#define SPOILT_MOST 16u /* at once, since this may run on a stack for signal handlers */

struct spoilt {
    struct cr_freed found[SPOILT_MOST];
    struct cr_freed_damage damage[SPOILT_MOST]; /* found under the lock: after that the block may go */
    uint32_t count;
};

/* Collects blocks that were written to, each once. */
static bool is_spoilt(struct cr_freed *freed, void *context)
{
    struct spoilt *spoilt = context;
    if (cr_freed_is_whole(freed))
        return false;
    spoilt->found[spoilt->count] = *freed;
    spoilt->damage[spoilt->count++] = cr_freed_damage(freed);
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
            cr_quarantine.ways.tell(thread, &spoilt.found[i], &spoilt.damage[i]);
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
