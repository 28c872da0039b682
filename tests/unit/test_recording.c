/* services/recording: the file while it lives, in a forked child, and where it cannot be had. Each case in a process of its own,
 * since a recording is started once. */
#include "services/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "threads.h"

static char folder[] = "/tmp/crunch-unit-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Whether `holds` holds in a child process. */
static bool in_child(bool (*holds)(void))
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(holds() ? 0 : 1);
    waitpid(child, &status, 0);
    unlink(path_of("recording"));
    return status == 0;
}

/* The header as a reader finds it in the file. */
static bool read_file(const char *path, struct cr_header *header, struct cr_slot *slot)
{
    FILE *file = fopen(path, "r");
    bool whole = file && fread(header, sizeof *header, 1, file) == 1;
    for (uint32_t i = 0; whole && slot && i < header->chunk_count; i++)
        if (header->chunks[i].kind == CR_CHUNK_THREADS) {
            whole =
                fseek(file, (long)header->chunks[i].offset, SEEK_SET) == 0 && fread(slot, sizeof *slot, 1, file) == 1;
            break;
        }
    if (file)
        fclose(file);
    return whole;
}

static bool begin(void) { return cr_recording_start(folder, 1000, 3, 0) == 0; }

static bool is_in_the_file_at_once(void)
{
    struct cr_header header;
    struct cr_slot seen;
    struct stat status;
    if (!begin())
        return false;
    struct cr_slot *slot = cr_recording_new_slot();
    atomic_store(&slot->allocations, 41);
    atomic_store(&slot->bytes_allocated, 4242);
    cr_recording_hand_in(slot);
    return read_file(path_of("recording"), &header, &seen) && !memcmp(header.magic, CR_RECORDING_MAGIC, 8) &&
           header.version == CR_FORMAT_VERSION && header.pid == (uint64_t)getpid() && header.state == CR_RUN_RUNNING &&
           header.shared_bytes == 4242 && header.heap_bytes_left == 1000 && seen.allocations == 41 &&
           seen.bytes_allocated == 4242 && !stat(path_of("recording"), &status) &&
           (uint64_t)status.st_size >= header.file_bytes;
}

static bool second_start_finds_the_first(void) { return begin() && cr_recording_start(folder, 0, 0, 0) == -EEXIST; }

static bool goes_on_without_a_file(void)
{
    if (cr_recording_start("/nonexistent/folder", 0, 0, 0) != 0)
        return false;
    struct cr_slot *slot = cr_recording_new_slot();
    atomic_store(&slot->frees, 5);
    return cr_recording_totals().frees == 5 && strstr(cr_recording->message, "memory only") != NULL;
}

static bool leaves_no_descriptor_open(void)
{
    int before = open("/dev/null", O_RDONLY);
    close(before);
    bool begun = begin();
    for (int i = 0; i < 1000; i++)
        begun = begun && cr_recording_new_slot();
    int after = open("/dev/null", O_RDONLY);
    return begun && before == after;
}

static bool is_limited_by_the_file_size(void)
{
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0}); /* SIGXFSZ would end this process */
    return begin() && strstr(cr_recording->message, "file size limit") != NULL && cr_recording_new_slot();
}

static bool first_message_stays(void)
{
    if (!begin())
        return false;
    cr_recording_say("cannot write ", "heap/", -ENOSPC);
    cr_recording_say("another", "", 0);
    return !strcmp(cr_recording->message, "cannot write heap/: no space left on the disk");
}

static bool long_message_is_cut(void)
{
    char text[1000];
    memset(text, 'm', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    if (!begin())
        return false;
    cr_recording_say(text, text, -EIO);
    return strlen(cr_recording->message) == sizeof cr_recording->message - 1;
}

/* ---- slots from many threads ---- */

#define THREADS 8
#define SLOTS 300

static void *take_slots(void *argument)
{
    struct cr_slot **mine = argument;
    for (int i = 0; i < SLOTS; i++)
        if ((mine[i] = cr_recording_new_slot()))
            atomic_fetch_add(&mine[i]->allocations, 1);
    return NULL;
}

static void count_once(void *context, struct cr_slot *slot) { *(int *)context += atomic_load(&slot->allocations) == 1; }

static bool gives_every_thread_its_own_slot(void)
{
    static struct cr_slot *slot[THREADS][SLOTS];
    int once = 0;
    if (!begin())
        return false;
    threads_run(THREADS, take_slots, slot, sizeof slot[0]);
    cr_recording_each_slot(count_once, &once);
    return once == THREADS * SLOTS && cr_recording_totals().allocations == THREADS * SLOTS;
}

/* ---- the peak ---- */

static void set(struct cr_slot *slot, uint64_t bytes, uint64_t blocks, uint64_t high_bytes, uint64_t high_blocks)
{
    atomic_store(&slot->bytes_allocated, bytes);
    atomic_store(&slot->allocations, blocks);
    atomic_store(&slot->high_bytes, (int64_t)high_bytes);
    atomic_store(&slot->high_blocks, (int64_t)high_blocks);
}

static bool peak_is_the_highest_sum(void)
{
    if (!begin())
        return false;
    struct cr_slot *one = cr_recording_new_slot(), *two = cr_recording_new_slot();
    set(one, 100, 1, 100, 1);
    cr_recording_hand_in(one);
    set(two, 50, 2, 70, 3); /* had 70 for a moment, while the other had 100 */
    cr_recording_hand_in(two);
    bool right = cr_recording->peak_bytes == 170 && cr_recording->peak_blocks == 4 && cr_recording->shared_bytes == 150;
    set(one, 20, 1, 100, 1);
    cr_recording_hand_in(one);
    return right && cr_recording->peak_bytes == 170 && cr_recording->shared_bytes == 70 &&
           cr_recording->shared_blocks == 3;
}

static struct cr_header budget;

static void *claim(void *argument)
{
    int *claimed = argument;
    for (int i = 0; i < 1000; i++)
        *claimed += cr_recording_claim(&budget, 10);
    return NULL;
}

static void test_budget(void)
{
    int claimed[THREADS] = {0}, all = 0;
    budget.heap_bytes_left = 1234;
    budget.heap_files_left = 1000000;
    threads_run(THREADS, claim, claimed, sizeof *claimed);
    for (int i = 0; i < THREADS; i++)
        all += claimed[i];
    ok(all <= 123 && all >= 123 - THREADS && budget.heap_bytes_left == 1234 - 10 * all,
       "claims never take more bytes than there are");
    budget.heap_bytes_left = 1000;
    budget.heap_files_left = 2;
    ok(cr_recording_claim(&budget, 1000) && cr_recording_claim(&budget, 0),
       "the last byte may be claimed, and an empty file");
    ok(!cr_recording_claim(&budget, 0) && budget.heap_files_left == 0, "no more files than there are");
}

/* ---- fork ---- */

static bool child_starts_with_what_was_live(void)
{
    struct cr_header header;
    struct cr_slot seen;
    int status = 1;
    if (!begin() || mkdir(path_of("child"), 0777))
        return false;
    struct cr_slot *slot = cr_recording_new_slot();
    set(slot, 500, 5, 500, 5);
    cr_recording_before_fork();
    set(slot, 900, 9, 900, 9); /* the parent goes on before the child is ready */
    pid_t child = fork();
    if (child == 0) {
        bool right = cr_recording_fork(path_of("child")) == 0 && cr_recording_totals().allocations == 0 &&
                     cr_recording_totals().live_bytes == 500 && cr_recording->inherited_blocks == 5 &&
                     cr_recording->peak_bytes == 500 && cr_recording->pid == (uint64_t)getpid();
        atomic_store(&slot->allocations, 77);
        _exit(right ? 0 : 1);
    }
    waitpid(child, &status, 0);
    bool right =
        status == 0 && atomic_load(&slot->allocations) == 9 && read_file(path_of("child/recording"), &header, &seen) &&
        header.flags == (CR_RUN_FORKED | CR_RUN_CHILD) && header.pid == (uint64_t)child && seen.allocations == 77;
    unlink(path_of("child/recording"));
    rmdir(path_of("child"));
    return right;
}

static bool child_without_a_folder_leaves_the_parent_alone(void)
{
    int status = 1;
    if (!begin())
        return false;
    struct cr_slot *slot = cr_recording_new_slot();
    set(slot, 500, 5, 500, 5);
    cr_recording_before_fork();
    pid_t child = fork();
    if (child == 0) {
        cr_recording_fork(NULL);
        atomic_store(&slot->allocations, 77);
        cr_recording->state = CR_RUN_EXITED;
        _exit(0);
    }
    waitpid(child, &status, 0);
    return status == 0 && atomic_load(&slot->allocations) == 5 && cr_recording->state == CR_RUN_RUNNING;
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    ok(in_child(is_in_the_file_at_once), "what is counted is in the file at once");
    ok(in_child(second_start_finds_the_first), "a folder is recorded into once");
    ok(in_child(goes_on_without_a_file), "without a file it goes on in memory, and says so");
    ok(in_child(leaves_no_descriptor_open), "no descriptor stays open");
    ok(in_child(is_limited_by_the_file_size), "the file size limit is an error and no signal");
    ok(in_child(first_message_stays), "the first message stays");
    ok(in_child(long_message_is_cut), "a long message is cut");
    ok(in_child(gives_every_thread_its_own_slot), "no two threads have the same slot");
    ok(in_child(peak_is_the_highest_sum), "the peak is the highest sum of what was handed in");
    ok(in_child(child_starts_with_what_was_live), "a forked child starts with what was live at the fork");
    ok(in_child(child_without_a_folder_leaves_the_parent_alone),
       "a child that has no folder counts apart from its parent");
    test_budget();
    ok(rmdir(folder) == 0, "nothing else was written");
    return tap_done();
}
