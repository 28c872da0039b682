/* said.c - what the program tells crunch and asks it, by src/crunch.h. */
#include "entry/hooks.h"

#include <errno.h>

#include "events/leak_roots.h"
#include "events/leaks.h"
#include "events/snapshot.h"
#include "platform/here.h"
#include "base/banned.h"

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int crunch_tracker_ignore(const void *block);
EXPORTED int crunch_tracker_root(const void *start, size_t bytes);
EXPORTED size_t crunch_tracker_leak_check(void);
EXPORTED int crunch_tracker_snapshot(const char *name);
EXPORTED int crunch_tracker_section(const char *name);

int crunch_tracker_ignore(const void *block)
{
    int saved = errno;
    struct cr_thread *thread = cr_hook_enter();
    bool done = thread && cr_leaks_ignore((uintptr_t)block);
    if (thread)
        cr_leave(thread);
    errno = saved;
    return done;
}

int crunch_tracker_root(const void *start, size_t bytes)
{
    cr_leak_roots_remove((uintptr_t)start);
    return !bytes || cr_leak_roots_add((uintptr_t)start, bytes);
}

size_t crunch_tracker_leak_check(void)
{
    int saved = errno;
    struct cr_os_registers here;
    cr_os_here(&here);
    struct cr_thread *thread = cr_hook_enter();
    size_t lost = thread ? cr_leaks_lost_now(&here) : 0;
    if (thread)
        cr_leave(thread);
    errno = saved;
    return lost;
}

int crunch_tracker_snapshot(const char *name)
{
    int saved = errno;
    bool taken = atomic_load(&cr_active) && cr_snapshot_now(name);
    errno = saved;
    return taken;
}

int crunch_tracker_section(const char *name)
{
    int saved = errno;
    struct cr_thread *thread = cr_hook_enter();
    bool named = thread && cr_thread_section(thread, name);
    if (thread)
        cr_leave(thread);
    errno = saved;
    return named;
}
