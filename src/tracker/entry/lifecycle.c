/* lifecycle.c - the tracker's start, forks and ends.
 *
 * Start: on Linux the process's first hook, which may come from the loader or from another library's constructor, begins the
 * recording; our constructor, which runs after those of all libraries and before the program's, does what needs a complete libc.
 * On macOS our constructor runs right after libSystem's and before all others, and begins the recording itself.
 * End: whichever comes first of exit handlers, _exit, exec and a signal writes the run folder. */
#include <errno.h>
#include <unistd.h>

#include "base/fmt.h"
#include "entry/crash.h"
#include "entry/hooks.h"
#include "entry/placed.h"
#include "events/errors.h"
#include "events/leaks.h"
#include "events/locks.h"
#include "events/run_folder.h"
#include "events/snapshot.h"
#include "platform/here.h"
#include "services/options.h"
#include "services/recording.h"
#include "base/banned.h"

/* ---- fork ---- */

/* The state of the thread that forks. Other fork handlers, a library's or libSystem's own, may allocate while the locks are held:
 * the thread is busy meanwhile, and they go unrecorded. */
static void *forking;

/* A signal handler may fork that interrupted crunch, whose thread may hold some of the locks itself: it takes none, as _Fork. */
static _Atomic(void *) holder; /* of the locks, by its errno's address; NULL: nobody */
static unsigned nested;        /* forks of the holder's handlers meanwhile */

static bool is_holder(void) { return atomic_load(&holder) == &errno; }

static bool within(void)
{
    const struct cr_thread *thread = cr_tls_get();
    return (uintptr_t)thread == CR_THREAD_BUSY || ((uintptr_t)thread > CR_THREAD_BUSY && thread->inside);
}

static bool is_nested(void) { return !is_holder() || (nested && nested--); }

static void before_fork(void)
{
    if (cr_snapshot_is_forking())
        return;
    if (within()) {
        nested += is_holder();
        cr_lifecycle_forks();
        return;
    }
    cr_locks_take();
    atomic_store(&holder, &errno);
    forking = cr_tls_get();
    cr_tls_set((void *)CR_THREAD_BUSY);
    cr_lifecycle_forks();
}

static void after_fork_in_parent(void)
{
    if (cr_snapshot_is_forking())
        return;
    if (is_nested())
        return;
    cr_tls_set(forking);
    atomic_store(&holder, NULL);
    cr_locks_give();
}

static void after_fork_in_child(void)
{
    if (cr_snapshot_is_forking())
        return;
    if (!is_nested()) {
        cr_tls_set(forking);
        atomic_store(&holder, NULL);
    }
    cr_lifecycle_forked();
}

void cr_lifecycle_forks(void) { cr_recording_before_fork(); }

void cr_lifecycle_forked(void)
{
    int saved = errno;
    cr_locks_renew();
    cr_os_threads_forked();
    cr_unwind_modules_forked();
    cr_leaks_done(); /* another thread may have been looking */
    if (atomic_load(&cr_active))
        cr_run_folder_fork();
    errno = saved;
}

/* ---- start ---- */

/* One line where it may be seen, since without a recording there is no other place for it. */
static void complain(int error)
{
    char bytes[CR_PATH_BYTES + 128];
    struct cr_text text = CR_TEXT(bytes);
    cr_text_string(&text, "crunch: cannot record into ");
    cr_text_shown(&text, cr_options.out, "");
    cr_text_string(&text, " (error ");
    cr_text_signed(&text, -error);
    cr_text_string(&text, "): this process runs unrecorded\n");
    ssize_t ignored = write(STDERR_FILENO, bytes, text.length);
    (void)ignored;
}

/* Begins the recording, once. Whether it is (now) on. */
static bool start(void)
{
    static _Atomic bool begun;
    if (atomic_load(&begun) || atomic_exchange(&begun, true))
        return false;
    cr_real_find();
    if (!cr_options_read()) {
        atomic_store(&begun, false);
        return false;
    }
    if (!cr_options.out[0])
        return false;
    cr_unwind_modules_refresh();
    cr_block_table_start(cr_real_least_apart());
    int error = cr_run_folder_start();
    if (!error)
        cr_placement_start(&cr_hooks_heap);
    if (!error)
        error = cr_threads_start();
    if (error) {
        if (error != -ENOENT)
            complain(error);
        return false;
    }
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    atomic_store(&cr_active, true);
    return true;
}

struct cr_thread *cr_lifecycle_enter_first(void)
{
    if (!cr_os_starts_in_hook || atomic_load_explicit(&cr_active, memory_order_relaxed) || cr_tls_get())
        return NULL;
    int saved = errno;
    bool on = start();
    errno = saved;
    return on ? cr_enter() : NULL;
}

/* ---- ends ---- */

/* In the caller: what callers of it hold in registers is to be seen. */
#define END_WITH(state, status)                                                                                        \
    (__extension__({                                                                                                   \
        struct cr_os_registers here_;                                                                                  \
        cr_os_here(&here_);                                                                                            \
        struct cr_end end_ = {state, status, NULL, NULL, &here_};                                                      \
        cr_run_folder_write(&end_);                                                                                    \
    }))

static void at_exit(int status)
{
    END_WITH(CR_RUN_EXITED, status);
    atomic_store(&cr_active, false); /* libc still gives back what is its own: the recording shall agree with stats */
}

void cr_lifecycle_ends(int status) { END_WITH(CR_RUN_EXITED, status); }

bool cr_lifecycle_execs(void)
{
    int saved = errno;
    bool wrote = END_WITH(CR_RUN_EXECED, 0);
    errno = saved;
    return wrote;
}

void cr_lifecycle_exec_failed(void)
{
    int saved = errno;
    cr_run_folder_reopen();
    errno = saved;
}

__attribute__((constructor)) static void construct(void)
{
    int saved = errno;
    start();
    cr_unwind_modules_refresh(); /* the first hook may have started it before all modules were there */
    if (atomic_load(&cr_active)) {
        cr_os_at_exit(at_exit);
        cr_snapshot_start();
        cr_crash_start();
        cr_wrong_free_by_address = cr_real_is_the_systems();
        cr_os_watch_modules();
        cr_os_find_slack(cr_real_malloc());
        if (cr_placed.bytes)
            cr_hooks_placed_start();
        struct cr_thread *thread = cr_enter(); /* gives the main thread its alternate stack */
        if (thread)
            cr_leave(thread);
    }
    cr_hooks_started();
    errno = saved;
}
