/* wrong_free.c - see wrong_free.h. A stack "here" is walked from these functions on, and so begins with frames of crunch's own,
 * which reports leave out: so nothing has to be prepared on the usual way. */
#include "events/wrong_free.h"

#include <string.h>

#include "events/errors.h"
#include "events/recorder.h"
#include "platform/platform.h"
#include "services/recording.h"
#include "base/banned.h"

bool cr_wrong_free_by_address;

/* On macOS hooks have a prefix to their names. */
static void name(struct cr_error *error, const char *function)
{
    static const char own_prefix[] = "crunch_";
    if (!strncmp(function, own_prefix, sizeof own_prefix - 1))
        function += sizeof own_prefix - 1;
    size_t length = strlen(function);
    memcpy(error->function, function, length < sizeof error->function ? length : sizeof error->function - 1);
}

static void tell_block(struct cr_error *error, const struct cr_record *record)
{
    error->flags |= CR_ERROR_BLOCK;
    error->block_address = record->address;
    error->block_size = cr_record_size(record);
    error->block_kind = (uint8_t)(cr_record_tag(record) & CR_TAG_KIND);
    error->allocated = cr_stack_of_site(record->node);
    error->allocated_thread = record->thread;
}

/* ---- addresses ---- */

/* What is still known of the block that was freed. */
static void tell_freed(struct cr_error *error, uint32_t mark)
{
    const struct cr_thread *by = cr_thread_of_mark(mark);
    struct cr_freed_block freed;
    if (!by || !cr_freed_find(by->freed, (uintptr_t)error->address, &freed))
        return;
    tell_block(error, &freed.record);
    error->freed_thread = freed.thread;
    error->freed = freed.site ? cr_stack_of_site(freed.site) : cr_stack_of_caller(freed.caller);
}

static bool on_own_stack(const struct cr_thread *thread, uintptr_t address, uintptr_t sp)
{
    return thread->unwind->stack_low <= sp && sp <= address && address < thread->unwind->stack_high;
}

/* The error that it is to free this address; 0: none that is sure. */
static uint32_t kind_of(const struct cr_thread *thread, uintptr_t address, uintptr_t sp, struct cr_error *error)
{
    struct cr_record around;
    uint32_t mark = cr_wrong_free_by_address ? cr_block_mark(address) : 0;
    if (mark) {
        tell_freed(error, mark);
        return CR_ERROR_DOUBLE_FREE;
    }
    if (cr_wrong_free_by_address && cr_block_around(address, &around)) {
        tell_block(error, &around);
        return CR_ERROR_FREE_INSIDE;
    }
    if (on_own_stack(thread, address, sp))
        return CR_ERROR_FREE_STACK;
    if (cr_os_is_static(address))
        return CR_ERROR_FREE_STATIC;
    return cr_os_is_unmapped(address) ? CR_ERROR_FREE_UNMAPPED : 0;
}

bool cr_wrong_free(struct cr_thread *thread, const void *block, const char *function)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    struct cr_error error = {.address = (uintptr_t)block, .flags = CR_ERROR_SKIPPED};
    if (cr_os_is_block(block))
        return false;
    error.kind = kind_of(thread, (uintptr_t)block, start.sp, &error);
    if (!error.kind)
        return false;
    name(&error, function);
    error.stack = cr_stack_here(thread, &start);
    cr_error_report(thread, &error);
    return true;
}

/* ---- pairs ---- */

/* Whether both the code that allocated a block and the code that frees it are sure to call the function that was seen. */
static bool is_told_by_functions(const struct cr_record *record, uintptr_t caller)
{
    return cr_wrong_free_by_address && !(cr_record_tag(record) & CR_TAG_GONE) && record->node && caller &&
           cr_os_shares_operators((uintptr_t)cr_site(record->node)->address) && cr_os_shares_operators(caller);
}

static void report_pair(struct cr_thread *thread, const struct cr_record *record, struct cr_error *error,
                        const char *function, const struct cr_unwind_start *start)
{
    error->address = record->address;
    tell_block(error, record);
    name(error, function);
    error->stack = cr_stack_here(thread, start);
    cr_error_report(thread, error);
}

void cr_wrong_pair(struct cr_thread *thread, const struct cr_record *record, const char *function, uintptr_t caller)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    struct cr_error error = {.kind = CR_ERROR_MISMATCH};
    unsigned kind = cr_record_tag(record) & CR_TAG_KIND;
    if ((kind == CR_KIND_NEW || kind == CR_KIND_NEW_ARRAY) && is_told_by_functions(record, caller))
        report_pair(thread, record, &error, function, &start);
}

/* What operator new makes of a size: nothing becomes one byte, and with an alignment some libraries round up to a multiple. */
static bool is_size(uint64_t recorded, size_t said, size_t align)
{
    size_t made = said ? said : 1, more = align ? align - 1 : 0;
    return recorded == said || recorded == made || (align && recorded == ((made + more) & ~more));
}

/* differs: in a tag that speaks of alignment. */
static uint32_t wrong_with(const struct cr_record *record, const struct cr_delete *how, bool differs,
                           struct cr_error *error)
{
    error->detail[0] = how->align;
    error->detail[1] = differs ? !how->align : how->align != 0;
    if (differs || (how->align && record->address & (how->align - 1)))
        return CR_ERROR_WRONG_ALIGNMENT;
    error->detail[0] = how->size;
    error->detail[1] = 0;
    return how->size != CR_UNSAID && !is_size(cr_record_size(record), how->size, how->align) ? CR_ERROR_WRONG_SIZE : 0;
}

void cr_wrong_delete(struct cr_thread *thread, const struct cr_record *record, const struct cr_delete *how)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    struct cr_error error = {.kind = CR_ERROR_MISMATCH};
    unsigned differs = cr_record_tag(record) ^ how->tag;
    if (!(differs & CR_TAG_KIND))
        error.kind = wrong_with(record, how, differs & CR_TAG_ALIGNED, &error);
    if (!error.kind || !is_told_by_functions(record, how->caller))
        return;
    report_pair(thread, record, &error, cr_delete_name(how->tag), &start);
}

void cr_wrong_sized_free(struct cr_thread *thread, const struct cr_record *record, const struct cr_delete *how,
                         const char *function)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    struct cr_error error = {0};
    error.kind = wrong_with(record, how, false, &error);
    if (error.kind && (cr_record_tag(record) & CR_TAG_KIND) <= CR_KIND_ALIGNED &&
        is_told_by_functions(record, how->caller))
        report_pair(thread, record, &error, function, &start);
}

void cr_wrong_zone(struct cr_thread *thread, const struct cr_record *record, uintptr_t said, uintptr_t owner,
                   const char *function)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    struct cr_error error = {.kind = CR_ERROR_WRONG_ZONE, .detail = {said, owner}};
    report_pair(thread, record, &error, function, &start);
}

/* ---- sizes ---- */

void cr_wrong_size(struct cr_thread *thread, size_t count, size_t size, unsigned tag, const char *function,
                   const struct cr_unwind_start *start)
{
    unsigned kind = tag & CR_TAG_KIND;
    size_t bytes;
    if (!__builtin_mul_overflow(count, size, &bytes) && bytes <= PTRDIFF_MAX)
        return;
    struct cr_error error = {.kind = CR_ERROR_NEGATIVE_SIZE,
                             .detail = {count == 1 ? size : count, count == 1 ? 0 : size}};
    if (kind == CR_KIND_NEW || kind == CR_KIND_NEW_ARRAY)
        function = kind == CR_KIND_NEW ? "operator new" : "operator new[]";
    name(&error, function);
    error.stack = cr_stack_here(thread, start);
    cr_error_report(thread, &error);
}
