/* access.c - see access.h. */
#include "events/access.h"

#include <errno.h>

#include "base/fmt.h"
#include "events/errors.h"
#include "events/quarantine.h"
#include "events/recorder.h"
#include "services/options.h"
#include "state/extents.h"
#include "state/thread.h"
#include "base/banned.h"

static void describe_live(struct cr_error *error, const struct cr_extent *extent)
{
    const struct cr_record *record = cr_record(extent->record);
    error->kind = CR_ERROR_OUT_OF_BOUNDS;
    error->block_size = extent->size;
    error->allocated = cr_stack_of_site(record->node);
    error->allocated_thread = record->thread;
    error->block_kind = cr_record_tag(record) & CR_TAG_KIND;
}

/* false: the block has left the quarantine by now. */
static bool describe_freed(struct cr_error *error, const struct cr_extent *extent)
{
    struct cr_freed freed;
    if (!cr_quarantine_find(extent->block, &freed))
        return false;
    error->kind = CR_ERROR_USE_AFTER_FREE;
    error->block_size = cr_freed_size(&freed);
    error->allocated = cr_stack_of_site(freed.allocated);
    error->freed = cr_stack_of_site(freed.freed);
    error->allocated_thread = freed.allocated_thread;
    error->freed_thread = freed.freed_thread;
    error->block_kind = cr_freed_kind(&freed);
    return true;
}

static CR_COLD void tell(struct cr_thread *thread, const struct cr_extent *extent, struct cr_error *error,
                         const char *function, const struct cr_unwind_start *start)
{
    int saved = errno;
    cr_text_string(&CR_TEXT(error->function), function);
    error->block_address = extent->block;
    error->flags |= CR_ERROR_BLOCK;
    if (extent->state == CR_EXTENT_LIVE)
        describe_live(error, extent);
    else if (!describe_freed(error, extent))
        return;
    error->stack = cr_stack_here(thread, start);
    cr_error_report(thread, error);
    errno = saved;
}

static bool is_within(const struct cr_extent *extent, uintptr_t address, size_t bytes)
{
    return extent->state == CR_EXTENT_LIVE && address >= extent->block && bytes <= extent->size &&
           address - extent->block <= extent->size - bytes;
}

/* Whether it is within the block that the thread placed last, as it is more often than not. A record that is no block's any more has no
 * address; one that another block has been given describes that one. */
CR_HOT bool is_newest(const struct cr_thread *thread, uintptr_t address, size_t bytes)
{
    if (!thread->last_record)
        return false;
    const struct cr_record *record = cr_record(thread->last_record);
    uint64_t offset = address - atomic_load_explicit(&record->address, memory_order_relaxed);
    uint64_t size = cr_record_size(record);
    return offset <= size && bytes <= size - offset;
}

CR_HOT void look(struct cr_thread *thread, const char *function, const void *at, size_t bytes, unsigned flag,
                 const struct cr_unwind_start *start)
{
    uintptr_t address = (uintptr_t)at;
    struct cr_extent extent;
    bool own_stack = address - thread->unwind->stack_low < thread->unwind->stack_high - thread->unwind->stack_low;
    if (!address || own_stack || is_newest(thread, address, bytes) || !cr_extent_find(address, &extent) ||
        CR_LIKELY(is_within(&extent, address, bytes)))
        return;
    struct cr_error error = {.flags = flag, .address = address, .detail = {bytes}};
    tell(thread, &extent, &error, function, start);
}

void crunch_access(const char *function, const void *to, const void *from, size_t bytes,
                   const struct cr_unwind_start *start)
{
    struct cr_thread *thread = cr_tls_get();
    if ((uintptr_t)thread <= CR_THREAD_BUSY || thread->inside ||
        !atomic_load_explicit(&cr_active, memory_order_relaxed))
        return;
    thread->inside = 1;
    look(thread, function, to, bytes, CR_ERROR_WRITES, start);
    look(thread, function, from, bytes, CR_ERROR_READS, start);
    cr_leave(thread);
}
