/* calls.c - what a program may call itself. Exported under these names; the program sees them as weak symbols, so that it
 * runs without crunch, too. */
#include <errno.h>

#include "entry/hooks.h"
#include "events/snapshot.h"

/* Takes a snapshot, called so (NULL: without a name). Waits up to 10 s for one that is being written. 1; 0: it cannot be taken. */
__attribute__((visibility("default"))) int crunch_snapshot(const char *name);

int crunch_snapshot(const char *name)
{
    int saved = errno;
    const struct cr_thread *thread = cr_tls_get();
    bool inside = (uintptr_t)thread == CR_THREAD_BUSY || ((uintptr_t)thread > CR_THREAD_BUSY && thread->inside);
    bool taken = !inside && cr_snapshot_now(name); /* inside: in a signal handler that has interrupted a hook */
    errno = saved;
    return taken;
}
