/* run_folder.c - finds this process's run folder and keeps its one life: started, written once, maybe forked. What is written is
 * in final.c. */
#include "events/run_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fmt.h"
#include "events/errors.h"
#include "events/final.h"
#include "events/fragmentation.h"
#include "events/placement.h"
#include "events/snapshot.h"
#include "platform/platform.h"
#include "services/options.h"
#include "services/recording.h"
#include "state/block_table.h"
#include "state/sites.h"
#include "state/thread.h"
#include "state/timeline.h"
#include "base/counter.h"
#include "base/banned.h"

#define SAME_PID_MOST 1000

static struct {
    char path[CR_PATH_BYTES]; /* empty: nothing is written */
    pid_t owner;              /* the process it belongs to; a vfork child is another one in the same memory */
    _Atomic int writing;      /* the thread that writes, by the system's number; 0: nobody yet */
    _Atomic bool written;
    _Atomic bool checked; /* all blocks were looked at, the last time */
} folder;

/* ---- finding it ---- */

/* An image that was forked and has execed since left nothing worth keeping: what it became takes its place. */
static bool take_over(const char *path)
{
    char name[CR_PATH_BYTES];
    struct cr_text text = CR_TEXT(name);
    cr_text_string(&text, path);
    cr_text_string(&text, "/recording");
    struct cr_header header;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    bool whole = fd >= 0 && read(fd, &header, sizeof header) == (ssize_t)sizeof header;
    if (fd >= 0)
        close(fd);
    if (!whole || header.pid != (uint64_t)getpid() || !(header.flags & CR_RUN_FORKED) || header.state != CR_RUN_EXECED)
        return false;
    return unlink(name) == 0;
}

/* Makes children/PID, or PID.2 and so on when there is one already. 0 or -errno; folder.path is set. */
static int make_child_folder(void)
{
    struct cr_text path = CR_TEXT(folder.path);
    cr_text_string(&path, cr_options.out);
    cr_text_string(&path, "/children");
    if (mkdir(folder.path, 0777) && errno != EEXIST)
        return -errno;
    cr_text_char(&path, '/');
    cr_text_decimal(&path, (uint64_t)getpid());
    size_t stem = path.length;
    for (unsigned n = 2; n < SAME_PID_MOST; n++) {
        if (path.cut)
            return -ENAMETOOLONG;
        if (!mkdir(folder.path, 0777) || (errno == EEXIST && take_over(folder.path)))
            return 0;
        if (errno != EEXIST)
            return -errno;
        path.length = stem;
        cr_text_char(&path, '.');
        cr_text_decimal(&path, n);
    }
    return -EEXIST;
}

int cr_run_folder_start(void)
{
    struct cr_text path = CR_TEXT(folder.path);
    cr_text_string(&path, cr_options.out);
    folder.owner = getpid();
    int error = cr_recording_start(folder.path, cr_options.heap_limit, CR_CONTENTS_MOST_FILES, 0);
    if (error == -EEXIST) {
        error = cr_options.children ? make_child_folder() : -ENOENT;
        if (!error)
            error = cr_recording_start(folder.path, 0, 0, CR_RUN_CHILD);
    }
    if (error)
        folder.path[0] = '\0'; /* another process's, which nothing may be written to */
    else
        cr_timeline_start();
    return error;
}

static void count_at_site(void *context, struct cr_record *record)
{
    (void)context;
    struct cr_site *site = cr_site(record->node);
    CR_ADD(site->live_bytes, (int64_t)cr_record_size(record));
    CR_ADD(site->live_blocks, 1);
}

void cr_run_folder_fork(void)
{
    struct cr_os_held held;
    cr_os_hold_signals(&held); /* what a handler allocates must find the recording whole, and the child's own */
    folder.owner = getpid();
    folder.writing = 0;
    folder.written = false;
    folder.checked = false;
    if (!cr_options.children || !folder.path[0] || make_child_folder())
        folder.path[0] = '\0';
    if (cr_recording_fork(folder.path[0] ? folder.path : NULL))
        folder.path[0] = '\0';
    cr_block_each(count_at_site, NULL);
    cr_errors_fork();
    cr_threads_fork(cr_recording->threads);
    cr_timeline_start();
    cr_snapshot_start();
    cr_os_release_signals(&held);
}

const char *cr_run_folder_path(void)
{
    return folder.path[0] && folder.owner == getpid() && !folder.writing ? folder.path : NULL;
}

/* ---- writing it ---- */

/* Another thread writes and the process ends when it is done: wait, but not for ever if that thread hangs. */
static void wait_for_writer(void)
{
    struct timespec pause = {0, 10000000};
    for (int i = 0; i < 6000 && !atomic_load(&folder.written); i++)
        nanosleep(&pause, NULL);
}

/* The last look at all blocks. Before the folder is claimed, since what is found may end the program by SIGABRT; not where the thread
 * was interrupted within crunch, whose locks it may hold. */
static void check_blocks(void)
{
    struct cr_thread *thread = cr_tls_get();
    if ((uintptr_t)thread <= CR_THREAD_BUSY || thread->inside || atomic_exchange(&folder.checked, true))
        return;
    thread->inside = 1;
    cr_placement_check_all(thread);
    thread->inside = 0;
}

bool cr_run_folder_write(const struct cr_end *end)
{
    if (!folder.path[0] || folder.owner != getpid())
        return false;
    check_blocks();
    int nobody = 0, self = (int)cr_os_thread_id();
    if (!atomic_compare_exchange_strong(&folder.writing, &nobody, self)) {
        if (nobody != self)
            wait_for_writer();
        return false;
    }
    struct cr_thread *thread =
        cr_tls_get(); /* nothing here is the program's; but it may go on, if this is an exec that fails */
    bool known = (uintptr_t)thread > CR_THREAD_BUSY;
    int inside = known ? thread->inside : 0;
    if (known)
        thread->inside = 1;
    if (known && !inside && !end->signal && !(cr_recording->flags & CR_RUN_SNAPSHOT))
        cr_fragmentation_ask();
    /* Signals wait: one that ends the process must find the folder complete, and a full disk must not raise SIGXFSZ. */
    struct cr_os_held held;
    cr_os_hold_signals(&held);
    struct cr_header *header = cr_recording;
    bool forked_and_gone = end->state == CR_RUN_EXECED && header->flags & CR_RUN_FORKED;
    if (!forked_and_gone)
        cr_final_write(folder.path, end);
    header->end_ns = cr_os_now_ns();
    header->end_detail = (uint32_t)end->detail;
    atomic_store(&header->state, (uint32_t)end->state);
    atomic_store(&folder.written, true);
    cr_os_release_signals(&held);
    if (known)
        thread->inside = inside;
    return true;
}

void cr_run_folder_reopen(void)
{
    if (folder.owner != getpid() || !folder.path[0] || folder.writing != (int)cr_os_thread_id())
        return;
    cr_recording->end_ns = 0;
    atomic_store(&cr_recording->state, CR_RUN_RUNNING);
    folder.written = false;
    folder.checked = false;
    folder.writing = 0;
}
