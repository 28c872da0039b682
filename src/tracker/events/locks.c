/* locks.c - see locks.h. */
#include "events/locks.h"

#include <stddef.h>

#include "events/errors.h"
#include "events/guard.h"
#include "events/quarantine.h"
#include "services/arena.h"
#include "services/recording.h"
#include "state/call_tree.h"
#include "state/heap_sections.h"
#include "state/modules.h"
#include "state/thread.h"
#include "base/banned.h"

static struct cr_lock *const locks[] = {&cr_errors_lock, &cr_threads_lock, &cr_regions_lock,       &cr_records_lock,
                                        &cr_tree_lock,   &cr_modules_lock, &cr_heap_sections_lock, &cr_recording_lock,
                                        &cr_arena_lock,  &cr_guard_lock,   &cr_quarantine_lock};
#define LOCKS (sizeof locks / sizeof *locks)

static void give(size_t count)
{
    while (count)
        cr_unlock(locks[--count]);
}

void cr_locks_take(void)
{
    for (size_t i = 0; i < LOCKS; i++)
        cr_lock(locks[i]);
}

bool cr_locks_try(void)
{
    for (size_t i = 0; i < LOCKS; i++)
        if (!cr_lock_try(locks[i])) {
            give(i);
            return false;
        }
    return true;
}

void cr_locks_give(void) { give(LOCKS); }

bool cr_locks_come_free(void)
{
    size_t i = 0;
    while (i < LOCKS && cr_lock_soon(locks[i]))
        cr_unlock(locks[i++]);
    return i == LOCKS;
}

void cr_locks_renew(void)
{
    for (size_t i = 0; i < LOCKS; i++)
        cr_lock_renew(locks[i]);
}
