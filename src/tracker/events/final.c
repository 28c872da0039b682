/* final.c - fatal and stats, and the order of it all. */
#include "events/final.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fmt.h"
#include "events/errors.h"
#include "events/fault.h"
#include "events/leaks.h"
#include "events/fragmentation.h"
#include "events/signal_words.h"
#include "platform/here.h"
#include "platform/platform.h"
#include "services/options.h"
#include "services/recording.h"
#include "services/writer.h"
#include "state/thread_info.h"
#include "state/timeline.h"
#include "base/banned.h"

const char *cr_final_path(const char *folder, const char *name)
{
    static char bytes[CR_PATH_BYTES];
    struct cr_text path = CR_TEXT(bytes);
    cr_text_string(&path, folder);
    cr_text_char(&path, '/');
    cr_text_string(&path, name);
    return path.cut ? NULL : bytes;
}

/* ---- fatal ---- */

static void headline(struct cr_text *text, const struct cr_signal *signal, const siginfo_t *info)
{
    cr_text_string(text, signal->name);
    cr_text_char(text, ' ');
    cr_text_string(text, signal->words);
    if (info->si_signo == SIGABRT && cr_errors_abort_reason()) {
        cr_text_string(text, ": ");
        cr_text_string(text, cr_errors_abort_reason());
    }
    if (!signal->address || cr_signal_sent(info))
        return;
    cr_text_string(text, ": address ");
    if (info->si_code == CR_OS_NO_ADDRESS)
        cr_text_string(text, "unknown");
    else
        cr_text_hex(text, (uintptr_t)info->si_addr);
}

static void pair(struct cr_text *text, const char *key, int64_t value)
{
    cr_text_string(text, key);
    cr_text_char(text, ' ');
    cr_text_signed(text, value);
    cr_text_char(text, '\n');
}

/* The facts that the signal itself brings. */
static void write_signal(struct cr_writer *writer, const struct cr_signal *signal, const siginfo_t *info)
{
    char bytes[512];
    struct cr_text text = CR_TEXT(bytes);
    cr_text_string(&text, "signal ");
    cr_text_string(&text, signal->name);
    cr_text_char(&text, '\n');
    pair(&text, "number", info->si_signo);
    pair(&text, "code", info->si_code);
    cr_text_string(&text, "cause ");
    cr_text_string(&text, cr_signal_cause(info));
    cr_text_char(&text, '\n');
    if (signal->address && !cr_signal_sent(info)) {
        cr_text_string(&text, "address ");
        cr_text_hex(&text, (uintptr_t)info->si_addr);
        cr_text_char(&text, '\n');
    }
    if (cr_signal_sent(info) && info->si_pid) /* not every system tells it for every signal */
        pair(&text, "sender", info->si_pid);
    pair(&text, "pid", getpid());
    pair(&text, "thread", (int64_t)cr_os_thread_id());
    cr_writer_string(writer, bytes);
}

/* fault NULL: the short form. */
static int write_fatal_to(const char *path, const struct cr_end *end, const struct cr_fault *fault,
                          const struct cr_os_stop *others)
{
    const struct cr_signal *signal = cr_signal_find(end->signal->si_signo);
    char bytes[256];
    struct cr_text text = CR_TEXT(bytes);
    struct cr_writer writer;
    headline(&text, signal, end->signal);
    cr_writer_open(&writer, path);
    cr_writer_string(&writer, bytes);
    cr_writer_string(&writer, "\n");
    if (fault)
        cr_fault_write_sentence(&writer, fault);
    write_signal(&writer, signal, end->signal);
    if (fault)
        cr_fault_write(&writer, fault, end->context, others);
    return cr_writer_close(&writer);
}

static void path_of_fatal(char *bytes, size_t capacity, const char *folder, const char *end)
{
    struct cr_text path = {bytes, capacity, 0, false};
    cr_text_string(&path, folder);
    cr_text_string(&path, "/fatal");
    cr_text_string(&path, end);
}

/* The short form: it stands if the explanation comes to nothing. */
static void write_short_fatal(const char *folder, const struct cr_end *end)
{
    char path[CR_PATH_BYTES];
    path_of_fatal(path, sizeof path, folder, "");
    int error = write_fatal_to(path, end, NULL, NULL);
    if (error)
        cr_recording_say("cannot write ", "fatal", error);
}

/* The explanation, and the memory map. */
static void write_whole_fatal(const char *folder, const struct cr_end *end, const struct cr_os_stop *others)
{
    static struct cr_fault fault; /* too large for a handler's stack */
    char path[CR_PATH_BYTES], part[CR_PATH_BYTES];
    path_of_fatal(path, sizeof path, folder, "");
    path_of_fatal(part, sizeof part, folder, ".part");
    cr_fault_gather(end->signal, end->context, &fault);
    int error = write_fatal_to(part, end, &fault, others);
    if (!error && rename(part, path))
        error = -errno;
    if (error) {
        unlink(part);
        cr_recording_say("cannot write all of ", "fatal", error);
    }
    if (cr_signal_find(end->detail)->crash)
        cr_fault_write_maps(folder);
}

/* ---- stats ---- */

static void write_end(struct cr_writer *writer, const struct cr_end *end)
{
    char bytes[64];
    struct cr_text text = CR_TEXT(bytes);
    if (cr_recording->flags & CR_RUN_SNAPSHOT)
        cr_text_string(&text, "snapshot");
    else if (end->state == CR_RUN_EXECED)
        cr_text_string(&text, "exec");
    else if (end->state == CR_RUN_SIGNALLED) {
        const struct cr_signal *signal = cr_signal_find(end->detail);
        cr_text_string(&text, "signal ");
        if (signal)
            cr_text_string(&text, signal->name);
        else
            cr_text_signed(&text, end->detail);
    } else if (end->detail >= 0) {
        cr_text_string(&text, "exit ");
        cr_text_signed(&text, end->detail & 0xff);
    } else
        cr_text_string(&text, "unknown"); /* macOS does not tell an exit handler the status: the launcher knows it */
    cr_writer_line(writer, "end", bytes);
}

static void write_counters(struct cr_writer *writer)
{
    struct cr_totals totals = cr_recording_totals();
    const struct cr_header *header = cr_recording;
    cr_writer_pair(writer, "allocations", totals.allocations);
    cr_writer_pair(writer, "frees", totals.frees);
    cr_writer_pair(writer, "reallocations", totals.reallocations);
    cr_writer_pair(writer, "bytes_allocated", totals.bytes_allocated);
    cr_writer_pair(writer, "bytes_freed", totals.bytes_freed);
    cr_writer_pair(writer, "peak_bytes", header->peak_bytes);
    cr_writer_pair(writer, "peak_blocks", header->peak_blocks);
    cr_writer_pair(writer, "live_bytes", totals.live_bytes);
    cr_writer_pair(writer, "live_blocks", totals.live_blocks);
    cr_writer_pair(writer, "runtime_bytes", header->runtime_bytes);
    cr_writer_pair(writer, "runtime_blocks", header->runtime_blocks);
    cr_writer_pair(writer, "inherited_bytes", header->inherited_bytes);
    cr_writer_pair(writer, "inherited_blocks", header->inherited_blocks);
    cr_writer_pair(writer, "untracked_frees", totals.untracked_frees);
    cr_writer_pair(writer, "errors", header->errors);
    cr_writer_pair(writer, "threads", header->threads);
}

static void write_leaks(struct cr_writer *writer)
{
    static const struct {
        enum cr_leak_class class;
        const char *blocks, *bytes;
    } keys[] = {
        {CR_LEAK_DEFINITE, "definitely_lost_blocks", "definitely_lost_bytes"},
        {CR_LEAK_INDIRECT, "indirectly_lost_blocks", "indirectly_lost_bytes"},
        {CR_LEAK_POSSIBLE, "possibly_lost_blocks", "possibly_lost_bytes"},
        {CR_LEAK_REACHABLE, "still_reachable_blocks", "still_reachable_bytes"},
    };
    struct cr_leaks_totals totals = cr_leaks_totals();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        cr_writer_pair(writer, keys[i].bytes, totals.bytes[keys[i].class]);
        cr_writer_pair(writer, keys[i].blocks, totals.blocks[keys[i].class]);
    }
}

static void write_stats(const char *folder, const struct cr_end *end)
{
    const struct cr_header *header = cr_recording;
    char seconds[32], temporary[CR_PATH_BYTES];
    struct cr_text elapsed = CR_TEXT(seconds), copy = CR_TEXT(temporary);
    cr_text_seconds(&elapsed, (header->end_ns ? header->end_ns : cr_os_now_ns()) - header->start_ns);
    cr_text_string(&copy, folder);
    cr_text_string(&copy, "/stats.part");

    struct cr_writer writer;
    cr_writer_open(&writer, temporary);
    cr_writer_pair(&writer, "format", CR_FORMAT_VERSION);
    cr_writer_pair(&writer, "pid", header->pid);
    cr_writer_pair(&writer, "ppid", header->ppid);
    write_end(&writer, end);
    write_counters(&writer);
    if (header->flags & CR_RUN_CLASSIFIED)
        write_leaks(&writer);
    cr_writer_line(&writer, "wall_seconds", seconds);
    cr_writer_pair(&writer, "max_rss", header->max_rss_bytes);
    cr_writer_pair(&writer, "heap_files", header->heap_files);
    cr_writer_pair(&writer, "heap_bytes", header->heap_bytes);
    cr_writer_pair(&writer, "heap_left_out_files", header->heap_left_out_files);
    cr_writer_pair(&writer, "heap_left_out_bytes", header->heap_left_out_bytes);
    cr_writer_line(&writer, "tracking", header->flags & CR_RUN_STOPPED ? "stopped" : "complete");
    int error = cr_writer_close(&writer);
    const char *path = cr_final_path(folder, "stats");
    if (!error && path && rename(temporary, path))
        error = -errno;
    if (error) {
        unlink(temporary);
        cr_recording_say("cannot write ", "stats", error);
    }
}

static void hand_in(void *context, struct cr_slot *slot)
{
    (void)context;
    cr_recording_hand_in(slot);
}

static struct {
    const char *folder;
    struct cr_os_registers registers;
    const struct cr_os_stop *others; /* NULL: they run */
    bool classified;
} last;

static void write_blocks(void *unused)
{
    (void)unused;
    bool gathered = last.others && cr_leaks_gather(&last.registers, last.others);
    last.classified = cr_final_write_blocks(last.folder, gathered);
}

static void write_fragmentation(void *unused)
{
    (void)unused;
    cr_fragmentation_write(last.folder);
}

/* After a crash crunch's own tables may be in ruins, too, and there may be memory that only seems to be there. */
static void write_guarded(const char *folder, const struct cr_end *end, const struct cr_os_stop *others)
{
    char copy[CR_PATH_BYTES];
    struct cr_text text = CR_TEXT(copy);
    cr_text_string(&text, folder);
    last.folder = copy;
    last.others = others;
    last.classified = false;
    if (end->context)
        cr_os_read_context(end->context, &last.registers);
    else if (end->here)
        last.registers = *end->here;
    else
        cr_os_here(&last.registers);
    if (others && !end->signal) /* before anything reads pages that nobody has touched yet */
        cr_os_guarded_call(write_fragmentation, NULL);
    if (!others)
        write_blocks(NULL); /* a guard would be in the way of those that handle their faults */
    else if (!cr_os_guarded_call(write_blocks, NULL))
        cr_recording_say(end->signal ? "the crash has damaged what crunch knows of the blocks: the list is missing"
                                     : "looking at the program's memory failed: the list of blocks is missing",
                         "", 0);
}

static void keep_sum(void *context, const struct cr_leak_sum *sum)
{
    (void)context;
    cr_recording_append_locked(CR_SECTION_LEAKS, sum, 1);
}

/* When no other thread is stopped any more: one may have held the recording's lock. This one may hold it, too, if a signal has
 * interrupted it. */
static void keep_sums(struct cr_header *header)
{
    header->flags &= ~(uint32_t)CR_RUN_CLASSIFIED;
    atomic_store(&header->sections[CR_SECTION_LEAKS].used, 0);
    if (last.classified) {
        bool locked = cr_lock_soon(&cr_recording_lock);
        cr_leaks_each_sum(keep_sum, NULL);
        if (locked)
            cr_unlock(&cr_recording_lock);
        header->flags |= CR_RUN_CLASSIFIED;
    }
    cr_leaks_done();
}

void cr_final_write(const char *folder, const struct cr_end *end)
{
    struct cr_header *header = cr_recording;
    const struct cr_signal *signal = end->signal ? cr_signal_find(end->detail) : NULL;
    bool crash = signal && signal->crash, goes_on = end->state == CR_RUN_EXECED;
    struct cr_os_stop others = {.count = 0};
    if (signal)
        write_short_fatal(folder, end);
    bool snapshot = header->flags & CR_RUN_SNAPSHOT;
    bool last_point = !snapshot && cr_timeline_prepare_end();
    bool stopped = !snapshot && !cr_os_threads_stop(goes_on, &others);
    cr_recording_each_slot(hand_in, NULL);
    if (last_point)
        cr_timeline_end();
    if (!snapshot) {
        cr_thread_info_name_all();
        header->max_rss_bytes = cr_os_max_rss();
    }
    header->runtime_bytes = header->runtime_blocks = 0;
    header->heap_files = header->heap_bytes = header->heap_left_out_files = header->heap_left_out_bytes = 0;
    if (signal)
        write_whole_fatal(folder, end, crash && !stopped ? NULL : &others);

    bool still = stopped || (snapshot && cr_leaks_gathered());
    cr_block_each_stand_still(still);
    write_guarded(folder, end, still ? &others : NULL);
    cr_block_each_stand_still(false);
    if (stopped)
        cr_os_threads_go(!goes_on);
    keep_sums(header);
    write_stats(folder, end);
}
