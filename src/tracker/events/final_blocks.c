/* final_blocks.c - heap/ and blocks. Two passes over all live blocks: the first counts and picks the blocks whose contents are
 * kept (the largest, as many as the limits allow, skipping those that do not fit any more), the second writes the list. */
#include "events/final.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fmt.h"
#include "events/leaks.h"
#include "platform/platform.h"
#include "services/options.h"
#include "services/recording.h"
#include "services/writer.h"
#include "state/block_table.h"
#include "state/modules.h"
#include "state/thread.h"
#include "base/banned.h"

/* A block as it was when first looked at: its record may change under our eyes. */
struct pick {
    uint64_t address, size;
};

static struct {
    struct pick pick[CR_CONTENTS_MOST_FILES]; /* a binary heap, the smallest on top; later sorted */
    size_t count, most;
    const void *stream_buffer[3];
    size_t stream_buffers;
} survey;

static bool inherited(const struct cr_record *record) { return record->thread && record->thread <= cr_threads_base; }

static bool is_runtime(const struct cr_record *record)
{
    for (size_t i = 0; i < survey.stream_buffers; i++)
        if (record->address == (uintptr_t)survey.stream_buffer[i])
            return true;
    unsigned tag = cr_record_tag(record);
    return tag & CR_TAG_RUNTIME || ((tag & CR_TAG_KIND) == CR_KIND_MALLOC && cr_modules_initialises(record->node));
}

/* ---- a heap of picks; both orders are needed: by size while picking, by address while writing the list ---- */

typedef bool order(const struct pick *a, const struct pick *b);

static bool by_size(const struct pick *a, const struct pick *b) { return a->size < b->size; }
static bool by_address_down(const struct pick *a, const struct pick *b) { return a->address > b->address; }

static void swap(struct pick *a, struct pick *b)
{
    struct pick copy = *a;
    *a = *b;
    *b = copy;
}

static void sift_down(size_t count, size_t at, order *less)
{
    struct pick *heap = survey.pick;
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && less(&heap[child + 1], &heap[child]))
            child++;
        if (!less(&heap[child], &heap[at]))
            return;
        swap(&heap[at], &heap[child]);
    }
}

static void heapify(order *less)
{
    for (size_t i = survey.count / 2; i-- > 0;)
        sift_down(survey.count, i, less);
}

/* Sorts from the greatest to the least of the order. */
static void sort_picks(order *less)
{
    heapify(less);
    for (size_t left = survey.count; left > 1; left--) {
        swap(&survey.pick[0], &survey.pick[left - 1]);
        sift_down(left - 1, 0, less);
    }
}

static void offer(struct pick pick)
{
    if (survey.count < survey.most) {
        survey.pick[survey.count++] = pick;
        if (survey.count == survey.most)
            heapify(by_size);
    } else if (survey.most && by_size(&survey.pick[0], &pick)) {
        survey.pick[0] = pick;
        sift_down(survey.count, 0, by_size);
    }
}

static void survey_block(void *context, struct cr_record *record)
{
    (void)context;
    struct pick pick = {record->address, cr_record_size(record)};
    if (!pick.address)
        return;
    if (is_runtime(record)) { /* inherited or not, as in the list */
        cr_recording->runtime_blocks++;
        cr_recording->runtime_bytes += pick.size;
        return;
    }
    if (inherited(record))
        return;
    cr_recording->heap_left_out_files++; /* until it is kept */
    cr_recording->heap_left_out_bytes += pick.size;
    offer(pick);
}

/* ---- heap/ ---- */

/* The budgets all processes of a run share lie in the main program's recording. NULL: not to be had, so nothing is kept. */
static struct cr_header *main_header(void)
{
    if (!(cr_recording->flags & CR_RUN_CHILD))
        return cr_recording_live();
    const char *path = cr_final_path(cr_options.out, "recording");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    struct stat status;
    struct cr_header *header = NULL;
    if (fd >= 0 && !fstat(fd, &status) && status.st_size >= (off_t)CR_HEADER_BYTES)
        header = cr_os_map_file(fd, 0, CR_HEADER_BYTES, NULL);
    if (fd >= 0)
        close(fd);
    return header;
}

static struct cr_budget *budget_of(struct cr_header *header)
{
    return cr_recording->flags & CR_RUN_SNAPSHOT ? &header->snapshots.heap : &header->heap_left;
}

static void release(struct cr_header *header)
{
    if (header != cr_recording_live())
        cr_os_unmap(header, CR_HEADER_BYTES);
}

static const char *contents_path(const char *folder, const struct pick *pick)
{
    char name[32];
    struct cr_text text = CR_TEXT(name);
    cr_text_string(&text, "heap/");
    cr_text_hex(&text, pick->address);
    return cr_final_path(folder, name);
}

static int write_contents(const char *folder, const struct pick *pick)
{
    const char *path = contents_path(folder, pick);
    return path ? cr_write_memory(path, (const void *)(uintptr_t)pick->address, pick->size) : -ENAMETOOLONG;
}

/* Writes what the budget allows; the picks that were kept remain. 0, or why there are fewer of them. */
static int write_picks(const char *folder, struct cr_budget *budget)
{
    size_t kept = 0;
    int failed = 0;
    for (size_t i = 0; i < survey.count && !failed; i++) {
        struct pick pick = survey.pick[i];
        if (!cr_recording_claim(budget, pick.size))
            continue;
        int error = write_contents(folder, &pick);
        if (!error) {
            survey.pick[kept++] = pick;
            cr_recording->heap_files++;
            cr_recording->heap_bytes += pick.size;
            cr_recording->heap_left_out_files--;
            cr_recording->heap_left_out_bytes -= pick.size;
            continue;
        }
        atomic_fetch_add(&budget->bytes_left, (int64_t)pick.size);
        atomic_fetch_add(&budget->files_left, 1);
        if (error != -EFAULT) { /* EFAULT: the block's memory is protected or gone, its own affair */
            cr_recording_say("cannot write all of ", "heap/", error);
            failed = error;
        }
    }
    survey.count = kept;
    return failed;
}

/* The disk is full: the list of blocks and the totals, which come next, are worth more. */
static void give_up_heap(const char *folder)
{
    cr_final_remove_heap(folder);
    cr_recording->heap_left_out_files += cr_recording->heap_files;
    cr_recording->heap_left_out_bytes += cr_recording->heap_bytes;
    cr_recording->heap_files = cr_recording->heap_bytes = 0;
    survey.count = 0;
}

static void write_heap(const char *folder)
{
    struct cr_header *header = cr_options.heap_limit ? main_header() : NULL;
    const char *path = cr_final_path(folder, "heap");
    int error = header && path && mkdir(path, 0777) && errno != EEXIST ? -errno : 0;
    if (error)
        cr_recording_say("cannot make ", "heap/", error);
    if (!header || !path || error)
        survey.count = 0;
    sort_picks(by_size);
    if (survey.count)
        error = write_picks(folder, budget_of(header));
    if (header)
        release(header);
    if (error == -ENOSPC || error == -EDQUOT)
        give_up_heap(folder);
}

void cr_final_remove_heap(const char *folder)
{
    for (size_t i = 0; i < survey.count; i++) {
        const char *path = contents_path(folder, &survey.pick[i]);
        if (path)
            unlink(path);
    }
    const char *path = cr_final_path(folder, "heap");
    if (path)
        rmdir(path);
    struct cr_header *header = cr_recording->heap_files ? main_header() : NULL;
    if (!header)
        return;
    atomic_fetch_add(&budget_of(header)->bytes_left, (int64_t)cr_recording->heap_bytes);
    atomic_fetch_add(&budget_of(header)->files_left, (int64_t)cr_recording->heap_files);
    release(header);
}

/* ---- blocks ---- */

/* The picks are sorted by address. */
static bool contents_kept(uint64_t address)
{
    size_t low = 0, high = survey.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (survey.pick[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < survey.count && survey.pick[low].address == address;
}

struct blocks_file {
    struct cr_writer writer;
    uint64_t count;
    uint64_t now; /* of the coarse clock */
};

/* now: of the coarse clock. */
static struct cr_block_entry entry_of(const struct cr_record *record, uint64_t now)
{
    uint64_t start = cr_recording->start_ns, time = cr_record_time_ns(record, now);
    bool old = inherited(record);
    struct cr_block_entry entry = {
        .address = record->address,
        .size = cr_record_size(record),
        .time_ns = time > start ? time - start : 0,
        .site = record->node,
        .thread = record->thread - (old || !record->thread ? 0 : cr_threads_base),
        .kind = cr_record_tag(record) & CR_TAG_KIND,
    };
    if (old)
        entry.flags |= CR_BLOCK_INHERITED;
    if (is_runtime(record))
        entry.flags |= CR_BLOCK_RUNTIME;
    if (!old && contents_kept(entry.address))
        entry.flags |= CR_BLOCK_CONTENTS;
    return entry;
}

static void write_block(void *context, struct cr_record *record)
{
    struct blocks_file *file = context;
    struct cr_block_entry entry = entry_of(record, file->now);
    if (!entry.address)
        return;
    cr_writer_put(&file->writer, &entry, sizeof entry);
    file->count++;
}

/* In the order of the classified blocks' numbers, which are those in the file then. */
static void write_classified(struct blocks_file *file, struct cr_blocks_header *header)
{
    for (uint32_t i = 0; i < cr_leak_count(); i++) {
        struct cr_block_entry entry = entry_of(cr_leak_record(i), file->now);
        entry.address = cr_leak_address(i); /* also if it has been freed meanwhile */
        entry.leak = (uint8_t)cr_leak_class(i);
        entry.holder = cr_leaks_holder(i);
        cr_writer_put(&file->writer, &entry, sizeof entry);
    }
    file->count = cr_leak_count();
    cr_leaks_write_roots(&file->writer, header);
}

static void write_list(const char *folder, bool classified)
{
    const char *path = cr_final_path(folder, "blocks");
    if (!path)
        return;
    struct blocks_file file = {.now = cr_os_coarse_ns()};
    struct cr_blocks_header header = {
        .version = CR_FORMAT_VERSION,
        .record_bytes = sizeof(struct cr_block_entry),
        .count = UINT64_MAX,
        .pid = (uint64_t)getpid(),
    };
    memcpy(header.magic, CR_BLOCKS_MAGIC, sizeof header.magic);
    cr_writer_open(&file.writer, path);
    cr_writer_put(&file.writer, &header, sizeof header);
    if (classified)
        write_classified(&file, &header);
    else
        cr_block_each(write_block, &file);
    header.count = file.count;
    cr_writer_patch(&file.writer, &header, sizeof header);
    int error = cr_writer_close(&file.writer);
    if (error) {
        unlink(path);
        cr_recording_say("cannot write ", "blocks", error);
    }
}

static void write_all(const char *folder, bool classified)
{
    survey.count = 0;
    survey.most = cr_options.heap_limit ? CR_CONTENTS_MOST_FILES : 0;
    cr_block_each(survey_block, NULL);
    write_heap(folder);
    sort_picks(by_address_down);
    write_list(folder, classified);
}

bool cr_final_write_blocks(const char *folder, bool gathered)
{
    survey.stream_buffers = cr_os_stream_buffers(survey.stream_buffer, 3);
    bool classified = gathered && cr_leaks_scan(is_runtime);
    write_all(folder, classified);
    return classified;
}
