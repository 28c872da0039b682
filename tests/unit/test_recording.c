/* services/recording: the file while it lives, in a forked child, and where it cannot be had. */
#include "services/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "recordings.h"
#include "tap.h"
#include "threads.h"

/* A section as a reader finds it in the file: its chunks, one behind the other. */
static bool read_section(FILE *file, const struct cr_header *header, uint32_t section, char *bytes, size_t size)
{
    size_t at = 0;
    bool whole = true;
    for (uint32_t i = 0; whole && i < header->chunk_count; i++) {
        const struct cr_chunk *chunk = &header->chunks[i];
        size_t part = chunk->bytes < size - at ? (size_t)chunk->bytes : size - at;
        if (chunk->section != section || !part)
            continue;
        whole = fseek(file, (long)chunk->offset, SEEK_SET) == 0 && fread(bytes + at, part, 1, file) == 1;
        at += part;
    }
    return whole && at == size;
}

/* The header and the first slot in the file. */
static bool read_file(const char *path, struct cr_header *header, struct cr_slot *slot)
{
    FILE *file = fopen(path, "r");
    bool whole = file && fread(header, sizeof *header, 1, file) == 1 &&
                 read_section(file, header, CR_SECTION_THREADS, (char *)slot, sizeof *slot);
    if (file)
        fclose(file);
    return whole;
}

static bool is_in_the_file_at_once(void)
{
    struct cr_header header;
    struct cr_slot seen;
    struct stat status;
    if (!begin())
        return false;
    struct cr_slot *slot = new_slot();
    atomic_store(&slot->allocations, 41);
    atomic_store(&slot->bytes_allocated, 4242);
    cr_recording_hand_in(slot);
    return read_file(tracker_path("recording"), &header, &seen) && !memcmp(header.magic, CR_RECORDING_MAGIC, 8) &&
           header.version == CR_FORMAT_VERSION && header.pid == (uint64_t)getpid() && header.state == CR_RUN_RUNNING &&
           header.shared_bytes == 4242 && header.heap_left.bytes_left == 1000 && seen.allocations == 41 &&
           seen.bytes_allocated == 4242 && !stat(tracker_path("recording"), &status) &&
           (uint64_t)status.st_size >= header.file_bytes;
}

static bool second_start_finds_the_first(void)
{
    return begin() && cr_recording_start(tracker_folder, 0, 0, 0) == -EEXIST;
}

static bool goes_on_without_a_file(void)
{
    if (cr_recording_start("/nonexistent/folder", 0, 0, 0) != 0)
        return false;
    struct cr_slot *slot = new_slot();
    atomic_store(&slot->frees, 5);
    return cr_recording_totals().frees == 5 && strstr(cr_recording->message, "memory only") != NULL;
}

static bool leaves_no_descriptor_open(void)
{
    int before = open("/dev/null", O_RDONLY);
    close(before);
    bool begun = begin();
    for (int i = 0; i < 1000; i++)
        begun = begun && new_slot();
    int after = open("/dev/null", O_RDONLY);
    return begun && before == after;
}

static bool is_limited_by_the_file_size(void)
{
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0}); /* SIGXFSZ would end this process */
    return begin() && strstr(cr_recording->message, "file size limit") != NULL && new_slot();
}

static bool first_message_stays(void)
{
    if (!begin())
        return false;
    cr_recording_say("cannot write ", "heap/", -ENOSPC);
    cr_recording_say("another", "", 0);
    return !strcmp(cr_recording->message, "cannot write heap/: no space left on the disk");
}

static bool message_on_a_snapshot_gives_way(void)
{
    if (!begin())
        return false;
    cr_recording_say("snapshot 1 dropped: ", "its folder cannot be made", -EACCES);
    bool words = !strcmp(cr_recording->message, "snapshot 1 dropped: its folder cannot be made: permission denied");
    cr_recording_say("snapshot 2 dropped: ", "the program cannot be copied", -EAGAIN);
    words =
        words && !strcmp(cr_recording->message, "snapshot 2 dropped: the program cannot be copied: too many processes");
    cr_recording_say("cannot write ", "blocks", -ENOSPC);
    cr_recording_say("snapshot 3 dropped: ", "too late", 0);
    return words && !strcmp(cr_recording->message, "cannot write blocks: no space left on the disk");
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

/* ---- sections ---- */

#define SITES 100000u

static struct cr_site site_of(uint32_t i)
{
    return (struct cr_site){.address = i * 3u, .parent = i, .pc = i / 2, .slot = 7};
}

static bool sites_of_two_threads_share_no_line(void)
{
    if (!begin())
        return false;
    bool right = true;
    for (uint32_t i = 1; right && i < 100; i++) {
        struct cr_site site = {.address = i, .pc = i, .slot = i % 2};
        uint32_t item = cr_recording_append_site(&site);
        right = item != CR_NO_ITEM && cr_site(item)->address == i;
        right = right && (i == 1 || (uintptr_t)cr_site_extra(item) % 64 == 0);
    }
    return right;
}

static uint32_t chunks_of(uint32_t section)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < cr_recording->chunk_count; i++)
        count += cr_recording->chunks[i].section == section;
    return count;
}

/* Sites and bytes by turns, so that the chunks of several sections lie between each other. */
static bool append_much(void)
{
    char word[200];
    const struct cr_site *first = NULL;
    bool right = begin();
    for (uint32_t i = 1, end = 1; right && i <= SITES; i++) {
        struct cr_site site = site_of(i);
        right = cr_recording_append_site(&site) == i;
        first = i == 1 ? cr_site(1) : first;
        right = right && cr_site(i) == first + (i - 1) && cr_site_extra(i)->temporary == 0;
        memset(word, 'a' + (int)(i % 26), i % sizeof word);
        right = right && cr_recording_append(CR_SECTION_STRINGS, word, i % sizeof word) == end;
        right = right && !memcmp(cr_section_items[CR_SECTION_STRINGS] + end, word, i % sizeof word);
        end += i % (uint32_t)sizeof word;
        cr_site_extra(i)->lifetime_ns = i;
    }
    return right;
}

static bool keeps_items_where_they_are(void)
{
    bool right = append_much() && chunks_of(CR_SECTION_SITES) > 5 && chunks_of(CR_SECTION_STRINGS) > 5;
    for (uint32_t i = 1; right && i <= SITES; i++) {
        struct cr_site site = site_of(i);
        right =
            !memcmp((const void *)cr_site(i), (const void *)&site, sizeof site) && cr_site_extra(i)->lifetime_ns == i;
    }
    return right;
}

static bool holds_in_the_file_what_is_in_memory(void)
{
    struct cr_header header;
    bool right = append_much();
    FILE *file = fopen(tracker_path("recording"), "r");
    right = right && file && fread(&header, sizeof header, 1, file) == 1;
    for (uint32_t i = 0; right && i < CR_SECTIONS; i++) {
        size_t bytes = header.sections[i].used * header.sections[i].item_bytes;
        char *read = malloc(bytes + 1);
        right = read_section(file, &header, i, read, bytes) && !memcmp(read, cr_section_items[i], bytes);
        free(read);
    }
    return right && fclose(file) == 0 && header.sections[CR_SECTION_SITES].used == SITES + 1;
}

static bool refuses_what_has_no_room(void)
{
    if (!begin())
        return false;
    uint64_t used = cr_recording->sections[CR_SECTION_META].used;
    return cr_recording_append(CR_SECTION_META, NULL, 1u << 30) == CR_NO_ITEM &&
           cr_recording->sections[CR_SECTION_META].used == used &&
           cr_recording_append(CR_SECTION_META, "a=b", 4) == used;
}

/* ---- the budget ---- */

#define THREADS 8

static struct cr_budget budget;

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
    budget.bytes_left = 1234;
    budget.files_left = 1000000;
    threads_run(THREADS, claim, claimed, sizeof *claimed);
    for (int i = 0; i < THREADS; i++)
        all += claimed[i];
    ok(all <= 123 && all >= 123 - THREADS && budget.bytes_left == 1234 - 10 * all,
       "claims never take more bytes than there are");
    budget.bytes_left = 1000;
    budget.files_left = 2;
    ok(cr_recording_claim(&budget, 1000) && cr_recording_claim(&budget, 0),
       "the last byte may be claimed, and an empty file");
    ok(!cr_recording_claim(&budget, 0) && budget.files_left == 0, "no more files than there are");
}

/* ---- fork ---- */

static bool child_starts_with_what_was_live(void)
{
    struct cr_header header;
    struct cr_slot seen;
    int status = 1;
    if (!begin() || mkdir(tracker_path("child"), 0777))
        return false;
    struct cr_slot *slot = new_slot();
    set(slot, 500, 5, 500, 5);
    cr_recording_before_fork();
    set(slot, 900, 9, 900, 9); /* the parent goes on before the child is ready */
    pid_t child = fork();
    if (child == 0) {
        bool right = cr_recording_fork(tracker_path("child")) == 0 && cr_recording_totals().allocations == 0 &&
                     cr_recording_totals().live_bytes == 500 && cr_recording->inherited_blocks == 5 &&
                     cr_recording->peak_bytes == 500 && cr_recording->pid == (uint64_t)getpid();
        atomic_store(&slot->allocations, 77);
        _exit(right ? 0 : 1);
    }
    waitpid(child, &status, 0);
    bool right = status == 0 && atomic_load(&slot->allocations) == 9 &&
                 read_file(tracker_path("child/recording"), &header, &seen) &&
                 header.flags == (CR_RUN_FORKED | CR_RUN_CHILD) && header.pid == (uint64_t)child &&
                 seen.allocations == 77;
    unlink(tracker_path("child/recording"));
    rmdir(tracker_path("child"));
    return right;
}

static bool child_without_a_folder_leaves_the_parent_alone(void)
{
    int status = 1;
    if (!begin())
        return false;
    struct cr_slot *slot = new_slot();
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

/* What the sites hold is the parent's; which sites there are is the child's too. */
static bool child_knows_the_sites(void)
{
    int status = 1;
    if (!append_much() || mkdir(tracker_path("child"), 0777))
        return false;
    cr_site(SITES)->live_bytes = 5;
    cr_recording_before_fork();
    pid_t child = fork();
    if (child == 0) {
        struct cr_site site = site_of(SITES);
        const struct cr_site *copy = cr_site(SITES);
        bool right = cr_recording_fork(tracker_path("child")) == 0 &&
                     !memcmp((const void *)copy, (const void *)&site, sizeof site) &&
                     cr_site_extra(SITES)->lifetime_ns == 0 && cr_recording_append_site(&site) == SITES + 1;
        _exit(right ? 0 : 1);
    }
    waitpid(child, &status, 0);
    bool right = status == 0 && cr_site(SITES)->live_bytes == 5 && cr_site_extra(SITES)->lifetime_ns == SITES;
    unlink(tracker_path("child/recording"));
    return rmdir(tracker_path("child")) == 0 && right;
}

/* As a signal handler finds it that has interrupted what holds the lock. */
static bool grows_at_the_end_with_the_lock_held(void)
{
    const struct cr_leak_sum sum = {.site = 7, .blocks = 3};
    if (!begin())
        return false;
    cr_lock(&cr_recording_lock);
    bool had = cr_lock_soon(&cr_recording_lock);
    uint32_t item = cr_recording_append_locked(CR_SECTION_LEAKS, &sum, 1);
    cr_unlock(&cr_recording_lock);
    bool has = cr_lock_soon(&cr_recording_lock);
    cr_unlock(&cr_recording_lock);
    return !had && has && item == 0 && CR_SECTION_ITEM(struct cr_leak_sum, CR_SECTION_LEAKS, 0)->blocks == 3;
}

int main(void)
{
    if (!mkdtemp(tracker_folder))
        return 1;
    ok(in_folder(is_in_the_file_at_once), "what is counted is in the file at once");
    ok(in_folder(second_start_finds_the_first), "a folder is recorded into once");
    ok(in_folder(goes_on_without_a_file), "without a file it goes on in memory, and says so");
    ok(in_folder(leaves_no_descriptor_open), "no descriptor stays open");
    ok(in_folder(is_limited_by_the_file_size), "the file size limit is an error and no signal");
    ok(in_folder(first_message_stays), "the first message stays");
    ok(in_folder(message_on_a_snapshot_gives_way), "a message on a snapshot gives way to later ones");
    ok(in_folder(long_message_is_cut), "a long message is cut");
    ok(in_folder(keeps_items_where_they_are), "sections grow over many chunks, and no item moves");
    ok(in_folder(holds_in_the_file_what_is_in_memory),
       "the chunks in the file, one behind the other, are the sections");
    ok(in_folder(refuses_what_has_no_room), "what has no room leaves its section as it was");
    ok(in_folder(child_starts_with_what_was_live), "a forked child starts with what was live at the fork");
    ok(in_folder(sites_of_two_threads_share_no_line), "sites of two threads share no cache line");
    ok(in_folder(child_knows_the_sites), "and with all sites, their counters at zero");
    ok(in_folder(child_without_a_folder_leaves_the_parent_alone),
       "a child that has no folder counts apart from its parent");
    ok(in_folder(grows_at_the_end_with_the_lock_held), "what is kept at the end waits for no lock that is never given");
    test_budget();
    ok(rmdir(tracker_folder) == 0, "nothing else was written");
    return tap_done();
}
