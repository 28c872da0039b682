/* thread_info.c - see thread_info.h. `state` is stored last and cleared first, so that a reader takes no item half written. */
#include "state/thread_info.h"

#include "platform/platform.h"
#include "base/counter.h"
#include "base/banned.h"

#define NAMED_AT_END 256u

static struct {
    uint32_t used;   /* items up to here have been somebody's in this process */
    uint32_t oldest; /* where the search for an item to use again goes on */
} items;

static struct cr_thread_info *info(uint32_t item)
{
    return CR_SECTION_ITEM(struct cr_thread_info, CR_SECTION_THREADINFO, item);
}

static uint64_t since_start(void) { return cr_os_now_ns() - cr_recording->start_ns; }

static uint32_t count(void) { return (uint32_t)CR_LOAD(cr_recording->sections[CR_SECTION_THREADINFO].used); }

/* Its counts go to item 0; a kill in between loses them. */
static void sum_up(struct cr_thread_info *ended)
{
    struct cr_thread_info *sum = info(0);
    atomic_store(&ended->state, CR_THREAD_INFO_FREE);
    sum->number++;
    sum->allocations += ended->allocations;
    sum->frees += ended->frees;
    sum->bytes_allocated += ended->bytes_allocated;
    sum->bytes_freed += ended->bytes_freed;
}

/* An item for a new thread; 0: there are so many running ones already, or no memory. */
static uint32_t item_to_use(void)
{
    if (items.used + 1 < count()) /* in a forked child, its parent's */
        return ++items.used;
    if (count() < CR_THREAD_INFOS) {
        uint32_t item = cr_recording_append(CR_SECTION_THREADINFO, NULL, 1);
        return item == CR_NO_ITEM ? 0 : (items.used = item);
    }
    for (uint32_t looked = 1; looked < CR_THREAD_INFOS; looked++) {
        items.oldest = items.oldest % (CR_THREAD_INFOS - 1) + 1;
        if (CR_LOAD(info(items.oldest)->state) == CR_THREAD_INFO_ENDED) {
            sum_up(info(items.oldest));
            return items.oldest;
        }
    }
    return 0;
}

uint32_t cr_thread_info_begin(uint32_t number, uint32_t slot)
{
    uint32_t item = item_to_use();
    if (!item)
        return 0;
    const struct cr_slot *counters = cr_slot(slot);
    struct cr_thread_info *thread = info(item);
    *thread = (struct cr_thread_info){
        .number = number,
        .slot = slot,
        .system_id = cr_os_thread_id(),
        .start_ns = since_start(),
        .allocations = CR_LOAD(counters->allocations),
        .frees = CR_LOAD(counters->frees),
        .bytes_allocated = CR_LOAD(counters->bytes_allocated),
        .bytes_freed = CR_LOAD(counters->bytes_freed),
    };
    atomic_store(&thread->state, CR_THREAD_INFO_RUNS);
    return item;
}

void cr_thread_info_end(uint32_t item)
{
    struct cr_thread_info *thread = info(item);
    if (!item)
        return;
    const struct cr_slot *counters = cr_slot(thread->slot);
    cr_os_thread_name(thread->system_id, thread->name, sizeof thread->name);
    atomic_store(&thread->state, CR_THREAD_INFO_FREE);
    thread->allocations = CR_LOAD(counters->allocations) - thread->allocations;
    thread->frees = CR_LOAD(counters->frees) - thread->frees;
    thread->bytes_allocated = CR_LOAD(counters->bytes_allocated) - thread->bytes_allocated;
    thread->bytes_freed = CR_LOAD(counters->bytes_freed) - thread->bytes_freed;
    thread->end_ns = since_start();
    atomic_store(&thread->state, CR_THREAD_INFO_ENDED);
}

void cr_thread_info_start(void) { items.used = items.oldest = 0; }

void cr_thread_info_name_all(void)
{
    uint32_t named = 0;
    for (uint32_t i = 1; i < count() && named < NAMED_AT_END; i++)
        if (CR_LOAD(info(i)->state) == CR_THREAD_INFO_RUNS) {
            cr_os_thread_name(info(i)->system_id, info(i)->name, sizeof info(i)->name);
            named++;
        }
}
