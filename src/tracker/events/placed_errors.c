/* placed_errors.c - see placed_errors.h. */
#include "events/placed_errors.h"

#include <string.h>

#include "base/fmt.h"
#include "events/errors.h"
#include "events/guard.h"
#include "events/locks.h"
#include "events/recorder.h"
#include "state/zones.h"
#include "base/banned.h"

static void add_damage(struct cr_error *error, const struct cr_damage *damage)
{
    error->address = error->block_address + (uint64_t)damage->first;
    error->detail[1] = damage->bytes;
    error->changed_bytes = damage->found_bytes;
    memcpy(error->changed, damage->found, damage->found_bytes);
    memcpy(error->expected, damage->expected, damage->found_bytes);
}

/* What is written outside of a block. */
static void tell_zones(struct cr_thread *thread, struct cr_error *error, const struct cr_damage *damage)
{
    bool before = damage->first < 0;
    error->kind = before ? CR_ERROR_UNDERRUN : CR_ERROR_OVERRUN;
    error->detail[0] = before ? (uint64_t)-damage->first : (uint64_t)damage->first - error->block_size;
    add_damage(error, damage);
    cr_error_report(thread, error);
}

void cr_placed_tell_live(struct cr_thread *thread, const struct cr_placed_block *placed,
                         const struct cr_placed_call *call)
{
    struct cr_error error = {
        .flags = CR_ERROR_BLOCK | CR_ERROR_WRITES,
        .allocated_thread = placed->thread,
        .stack = call->start ? cr_stack_here(thread, call->start) : 0,
        .allocated = cr_stack_of_site(placed->allocated),
        .block_address = (uintptr_t)placed->block,
        .block_size = placed->size,
        .block_kind = placed->tag & CR_TAG_KIND,
    };
    cr_text_string(&CR_TEXT(error.function), call->function);
    bool guarded = cr_guard_is_guarded(placed->block);
    struct cr_damage damage = (guarded ? cr_guard_damage : cr_zone_damage)(placed->block, placed->size);
    tell_zones(thread, &error, &damage);
}

void cr_placed_tell_freed(struct cr_thread *thread, const struct cr_freed *freed, const struct cr_freed_damage *damage)
{
    struct cr_error error = {
        .flags = CR_ERROR_BLOCK | CR_ERROR_WRITES,
        .allocated_thread = freed->allocated_thread,
        .freed_thread = freed->freed_thread,
        .allocated = cr_stack_of_site(freed->allocated),
        .freed = cr_stack_of_site(freed->freed),
        .block_address = freed->block,
        .block_size = cr_freed_size(freed),
        .block_kind = cr_freed_kind(freed),
    };
    if (damage->inside.bytes) {
        error.kind = CR_ERROR_WRITE_AFTER_FREE;
        error.detail[0] = (uint64_t)damage->inside.first;
        add_damage(&error, &damage->inside);
        cr_error_report(thread, &error);
    }
    if (damage->around.bytes)
        tell_zones(thread, &error, &damage->around);
}

void cr_placed_tell_fault(uintptr_t address, enum cr_access access, const struct cr_os_registers *registers)
{
    struct cr_guarded guarded;
    struct cr_thread *thread = cr_tls_get();
    if ((uintptr_t)thread <= CR_THREAD_BUSY || thread->inside || !cr_guard_find(address, &guarded) ||
        !cr_locks_come_free())
        return;
    thread->inside = 1;
    bool before = address < guarded.block;
    struct cr_error error = {
        .kind = !guarded.live ? CR_ERROR_GUARD_FREED
                : before      ? CR_ERROR_GUARD_BEFORE
                              : CR_ERROR_GUARD_AFTER,
        .flags = CR_ERROR_BLOCK,
        .allocated_thread = guarded.allocated_thread,
        .freed_thread = guarded.freed_thread,
        .stack = cr_stack_of_registers(thread, registers),
        .allocated = cr_stack_of_site(guarded.allocated),
        .freed = cr_stack_of_site(guarded.freed),
        .address = address,
        .block_address = guarded.block,
        .block_size = guarded.size,
        .block_kind = guarded.kind,
    };
    if (access == CR_ACCESS_READ || access == CR_ACCESS_WRITE)
        error.flags |= access == CR_ACCESS_READ ? CR_ERROR_READS : CR_ERROR_WRITES;
    cr_error_report(thread, &error);
    thread->inside = 0;
}
