/* snapshot.c - see snapshot.h. */
#include "events/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fmt.h"
#include "events/final.h"
#include "events/leaks.h"
#include "events/locks.h"
#include "platform/here.h"
#include "platform/platform.h"
#include "services/options.h"
#include "services/recording.h"
#include "services/writer.h"
#include "state/thread.h"
#include "base/banned.h"

#define NAME_BYTES 200
#define LOCK_TRIES 50
#define LOCK_PAUSE_NS 100000
#define PROGRAM_WAITS_MS 10000
#define LOOK_EVERY_NS 20000000u

enum trigger { NOTHING, REQUEST, TIME, SIGNAL, PEAK, PROGRAM };
static const char *const trigger_words[] = {"", "request", "time", "signal", "peak", "program"};

static _Atomic(void *) forking; /* the thread that makes the frozen copy, by its errno's address; NULL: nobody does */

/* Written by the thread that has `taking` alone. */
static struct {
    _Atomic bool taking;
    _Atomic bool signalled;       /* --snapshot-on's signal has come and is not answered yet */
    int child;                    /* the last frozen copy, until it is known to have ended; 0: none */
    char part[CR_PATH_BYTES];     /* snapshots/.N, where it is written */
    char complete[CR_PATH_BYTES]; /* snapshots/N */
    char name[NAME_BYTES];
    const void *context; /* of the signal handler it is taken in; NULL: of none */
    struct cr_os_registers registers;
} state;

bool cr_snapshot_is_forking(void) { return atomic_load(&forking) == &errno; }

static struct cr_snapshots *counters(void) { return &cr_recording->snapshots; }

/* ---- the frozen copy ---- */

static void remove_part(void)
{
    static const char *const names[] = {"recording", "blocks", "stats", "snapshot", ".crunch"};
    cr_final_remove_heap(state.part);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = cr_final_path(state.part, names[i]);
        if (path)
            unlink(path);
    }
    rmdir(state.part);
}

static int write_about(uint32_t number, enum trigger trigger)
{
    const char *path = cr_final_path(state.part, "snapshot");
    if (!path)
        return -ENAMETOOLONG;
    struct cr_writer writer;
    cr_writer_open(&writer, path);
    cr_writer_pair(&writer, "number", number);
    cr_writer_line(&writer, "trigger", trigger_words[trigger]);
    if (state.name[0])
        cr_writer_line(&writer, "name", state.name);
    return cr_writer_close(&writer);
}

static int write_recording(void)
{
    const char *path = cr_final_path(state.part, "recording");
    return path ? cr_recording_write_frozen(path) : -ENAMETOOLONG;
}

static bool failed(const char *what, int error)
{
    if (error)
        cr_recording_say("cannot write ", what, error);
    return error != 0;
}

/* Writes all files. The copy's message is empty afterwards, or says what went wrong. */
static void write_files(uint32_t number, enum trigger trigger)
{
    struct cr_header *header = cr_recording;
    char before[sizeof header->message];
    memcpy(before, header->message, sizeof before);
    header->message[0] = '\0';
    struct cr_end end = {.state = CR_RUN_RUNNING};
    cr_final_write(state.part, &end);
    if (header->message[0] || failed("snapshot", write_about(number, trigger)))
        return;
    memcpy(header->message, before, sizeof before);
    int error = write_recording();
    header->message[0] = '\0';
    if (!failed("recording", error) && rename(state.part, state.complete))
        failed("the folder", -errno);
}

/* Says in the process's own recording why a snapshot is missing. */
static void say_dropped(struct cr_header *live, uint32_t number, const char *why, int error)
{
    char bytes[64];
    struct cr_text text = CR_TEXT(bytes);
    cr_text_string(&text, "snapshot ");
    cr_text_decimal(&text, number);
    cr_text_string(&text, " dropped: ");
    struct cr_header *own = cr_recording;
    cr_recording = live;
    cr_recording_say(bytes, why, error);
    cr_recording = own;
    atomic_fetch_add(&live->snapshots.dropped, 1);
}

static _Noreturn void write_frozen(int lock, uint32_t number, enum trigger trigger)
{
    cr_os_turn_frozen(lock);
    cr_locks_renew();
    struct cr_header *live = cr_recording_turn_frozen();
    cr_recording->flags |= CR_RUN_SNAPSHOT;
    write_files(number, trigger);
    if (cr_recording->message[0]) {
        remove_part();
        say_dropped(live, number, cr_recording->message, 0);
    }
    atomic_store(&live->snapshots.writing, 0);
    cr_os_exit_now(0);
}

/* ---- in the process ---- */

/* Whether no frozen copy is there any more. */
static bool is_free(void)
{
    if (state.child && !cr_os_frozen_ended(state.child))
        return false;
    state.child = 0;
    if (atomic_exchange(&counters()->writing, 0))
        say_dropped(cr_recording, atomic_load(&counters()->taken), "the process that wrote it was killed", 0);
    return true;
}

/* Other threads hold crunch's locks for microseconds; but one may wait with them for a lock that this thread holds. */
static bool take_locks(void)
{
    struct timespec pause = {0, LOCK_PAUSE_NS};
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (cr_locks_try())
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

/* Makes the folder and its marker, which the copy keeps locked while it writes. A descriptor, or -errno. */
static int make_part(const char *folder, uint32_t number)
{
    struct cr_text part = CR_TEXT(state.part), complete = CR_TEXT(state.complete);
    cr_text_string(&part, folder);
    cr_text_string(&part, "/snapshots");
    cr_text_string(&complete, state.part);
    if (mkdir(state.part, 0777) && errno != EEXIST)
        return -errno;
    cr_text_string(&part, "/.");
    cr_text_decimal(&part, number);
    cr_text_char(&complete, '/');
    cr_text_decimal(&complete, number);
    if (part.cut || complete.cut)
        return -ENAMETOOLONG;
    if (mkdir(state.part, 0777))
        return -errno;
    const char *marker = cr_final_path(state.part, ".crunch");
    int fd = marker ? open(marker, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -ENAMETOOLONG;
    int error = fd >= 0 ? 0 : marker ? -errno : fd;
    if (!error && flock(fd, LOCK_EX | LOCK_NB))
        error = -errno;
    if (error && fd >= 0)
        close(fd);
    return error ? error : fd;
}

/* Makes the copy, with all locks held and all other threads stopped. 0 or -errno. */
static int copy(int lock, uint32_t number, enum trigger trigger)
{
    struct cr_header *header = cr_recording;
    header->max_rss_bytes = cr_os_max_rss();
    header->end_ns = cr_os_now_ns(); /* of the copy alone */
    bool frozen = cr_recording_freeze();
    header->end_ns = 0;
    if (!frozen)
        return -ENOMEM;
    atomic_store(&counters()->writing, 1);
    atomic_store(&forking, &errno);
    int child = cr_os_fork_frozen();
    if (!child)
        write_frozen(lock, number, trigger);
    atomic_store(&forking, NULL);
    cr_recording_melt();
    if (child < 0)
        atomic_store(&counters()->writing, 0);
    else
        state.child = child;
    return child < 0 ? child : 0;
}

/* The same, with all locks held. Threads that are asleep are left alone: waking them, they could find that their calls were interrupted. */
static int freeze(int lock, uint32_t number, enum trigger trigger)
{
    if (state.context)
        cr_os_read_context(state.context, &state.registers);
    else
        cr_os_here(&state.registers);
    struct cr_os_stop others = {.count = 0};
    bool stopped = !cr_os_threads_stop(true, &others);
    if (stopped)
        cr_leaks_gather(&state.registers, &others);
    int error = copy(lock, number, trigger);
    if (stopped)
        cr_os_threads_go(false);
    cr_leaks_done();
    return error;
}

static void note_pause(uint64_t began)
{
    uint64_t pause = cr_os_now_ns() - began;
    if (pause > atomic_load(&counters()->longest_pause_ns))
        atomic_store(&counters()->longest_pause_ns, pause);
}

/* -EAGAIN: not now. -EIO: it is dropped, and told why. */
static int begin(const char *folder, enum trigger trigger)
{
    uint64_t began = cr_os_now_ns();
    uint32_t number = atomic_load(&counters()->taken) + 1;
    if (!take_locks())
        return -EAGAIN;
    int lock = make_part(folder, number);
    int error = lock < 0 ? lock : freeze(lock, number, trigger);
    cr_locks_give();
    if (lock >= 0)
        close(lock);
    atomic_store(&counters()->taken, number);
    if (trigger == REQUEST)
        atomic_store(&counters()->requested, number);
    if (error) {
        remove_part();
        say_dropped(cr_recording, number, lock < 0 ? "its folder cannot be made" : "the program cannot be copied",
                    error);
    }
    note_pause(began);
    return error ? -EIO : 0; /* never what take() says of its own */
}

/* Whether one is being written, for all that is known; whoever writes it may have been killed, so that is looked at now and then. A
 * program whose peak goes on rising asks very often. */
static bool is_busy(void)
{
    static _Atomic uint64_t looked_ns;
    uint64_t now = cr_os_coarse_ns();
    if (atomic_load(&counters()->writing) && now - atomic_load(&looked_ns) < LOOK_EVERY_NS)
        return true;
    atomic_store(&looked_ns, now);
    return false;
}

/* Takes a snapshot now, in a thread that is not inside crunch. -EAGAIN: not now. -ENOENT: not any more. Else it is done with. */
static int take(enum trigger trigger, const char *name, const void *context)
{
    const char *folder = cr_run_folder_path();
    if (!folder || !atomic_load(&cr_active))
        return -ENOENT;
    if (is_busy())
        return -EAGAIN;
    struct cr_os_held held;
    cr_os_hold_signals(&held); /* the copy is never disturbed either */
    int error = -EAGAIN;
    if (!atomic_exchange(&state.taking, true)) {
        struct cr_text text = CR_TEXT(state.name);
        state.name[0] = '\0';
        state.context = context;
        cr_text_shown(&text, name ? name : "", "\\");
        if (is_free())
            error = begin(folder, trigger);
        atomic_store(&state.taking, false);
    }
    cr_os_release_signals(&held);
    return error;
}

/* ---- who asks ---- */

bool cr_snapshot_asked(void) { return atomic_load(&counters()->wanted) != atomic_load(&counters()->answered); }

static enum trigger wanted(void)
{
    if (cr_snapshot_asked())
        return atomic_load(&counters()->wanted) == atomic_load(&counters()->timed) ? TIME : REQUEST;
    if (atomic_load(&state.signalled))
        return SIGNAL;
    return atomic_load(&cr_recording->peak_bytes) >= atomic_load(&cr_recording_peak_awaited) ? PEAK : NOTHING;
}

static void await_peak(void)
{
    uint64_t peak = atomic_load(&cr_recording->peak_bytes);
    atomic_store(&cr_recording_peak_awaited, cr_options.snapshot_at_peak ? peak + peak / 10 : UINT64_MAX);
}

/* Takes what is wanted. What cannot be taken now is tried again by whoever comes here next. */
static void take_wanted_in(const void *context)
{
    enum trigger trigger = wanted();
    uint32_t request = atomic_load(&counters()->wanted);
    int error = trigger == NOTHING ? -ENOENT : take(trigger, NULL, context);
    if (error == -EAGAIN || error == -ENOENT)
        return;
    if (trigger == REQUEST || trigger == TIME)
        atomic_store(&counters()->answered, request);
    if (trigger == SIGNAL)
        atomic_store(&state.signalled, false);
    await_peak(); /* whatever it was taken for, it shows this peak */
}

static void take_wanted(void) { take_wanted_in(NULL); }

bool cr_snapshot_signalled(int number, const void *context)
{
    bool request = number == CR_SNAPSHOT_REQUEST_SIGNAL;
    if (!request && number != cr_options.snapshot_signal)
        return false;
    if (!request)
        atomic_store(&state.signalled, true);
    struct cr_thread *thread = cr_tls_get();
    if ((uintptr_t)thread > CR_THREAD_BUSY && thread->inside)
        thread->after |= CR_AFTER_SNAPSHOT;
    else if ((uintptr_t)thread != CR_THREAD_BUSY)
        take_wanted_in(context);
    if (context) /* last: what has come for the program meanwhile interrupts its wait, too */
        cr_os_note_interruption(context);
    return true;
}

bool cr_snapshot_now(const char *name)
{
    struct timespec pause = {0, 1000000};
    int error = -EAGAIN;
    for (int i = 0; i < PROGRAM_WAITS_MS && (error = take(PROGRAM, name, NULL)) == -EAGAIN; i++)
        nanosleep(&pause, NULL);
    if (!error)
        await_peak();
    return !error;
}

void cr_snapshot_listens(bool listens) { atomic_store(&counters()->signal, listens ? CR_SNAPSHOT_REQUEST_SIGNAL : 0); }

void cr_snapshot_start(void)
{
    state.child = 0;
    atomic_store(&forking, NULL);
    atomic_store(&state.taking, false);
    atomic_store(&state.signalled, false);
    cr_thread_snapshot = take_wanted;
    await_peak();
}
