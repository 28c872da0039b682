/* recording.c - see recording.h. Start, fork and growth hold the recording lock; reading slots needs none, since every counter
 * is written by one thread with plain atomic stores. */
#include "services/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fmt.h"
#include "platform/platform.h"
#include "services/arena.h"
#include "services/options.h"
#include "base/banned.h"

#define FIRST_SLOTS_BYTES ((size_t)16 << 10)
#define MORE_SLOTS_BYTES ((size_t)128 << 10)
#define STEP_MIN_BYTES 1024
#define STEP_SHARE 1024 /* of the peak, all threads together */

static struct cr_header dummy;
static struct {
    char path[CR_PATH_BYTES];
    int fd; /* only while a function here runs: the program must not see a descriptor; < 0: -errno */
    char *chunk[CR_MAX_CHUNKS];
} mapped;

struct cr_lock cr_recording_lock = CR_LOCK_INIT;
struct cr_header *cr_recording = &dummy;
_Atomic int64_t cr_recording_step = STEP_MIN_BYTES;

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define STORE(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

static const char *error_words(int error)
{
    switch (-error) {
    case ENOSPC: return "no space left on the disk";
    case EDQUOT: return "disk quota exceeded";
    case EFBIG: return "over the file size limit";
    case EACCES:
    case EPERM: return "permission denied";
    case EROFS: return "read-only file system";
    case ENOENT: return "the folder is gone";
    case EMFILE:
    case ENFILE: return "too many open files";
    case ENOMEM: return "out of memory";
    default: return NULL;
    }
}

void cr_recording_say(const char *what, const char *detail, int error)
{
    struct cr_text text = CR_TEXT(cr_recording->message);
    if (cr_recording->message[0])
        return;
    cr_text_string(&text, what);
    cr_text_string(&text, detail);
    if (error) {
        const char *words = error_words(error);
        cr_text_string(&text, words ? ": " : ": error ");
        if (words)
            cr_text_string(&text, words);
        else
            cr_text_signed(&text, -error);
    }
}

/* ---- chunks ---- */

static size_t whole_pages(size_t bytes)
{
    size_t page = cr_os_page_bytes();
    return (bytes + page - 1) & ~(page - 1);
}

static int allocate(int fd, uint64_t offset, uint64_t bytes)
{
    struct cr_os_held held;
    cr_os_hold_signals(&held);
    int error = cr_os_allocate(fd, offset, bytes);
    cr_os_release_signals(&held);
    return error;
}

/* Appends a chunk to the file and maps it; with no file, or none that can grow, in private memory. */
static char *add_chunk(enum cr_chunk_kind kind, size_t bytes)
{
    struct cr_header *header = cr_recording;
    uint32_t index = LOAD(header->chunk_count);
    if (index == CR_MAX_CHUNKS)
        return NULL;
    bytes = whole_pages(bytes);
    uint64_t offset = header->file_bytes;
    int error = mapped.fd < 0 ? mapped.fd : allocate(mapped.fd, offset, bytes);
    char *chunk = cr_os_map_file(error ? -1 : mapped.fd, offset, bytes, NULL);
    if (!chunk)
        return NULL;
    mapped.chunk[index] = chunk;
    if (error) {
        bytes = 0; /* the reader finds an empty chunk: these counters end with the process */
        if (header->magic[0]) /* while it starts, cr_recording_start has the say */
            cr_recording_say("the recording cannot grow, so counts of later threads would not survive a kill", "", error);
    }
    header->chunks[index] = (struct cr_chunk){.kind = kind, .offset = offset, .bytes = bytes};
    header->file_bytes += bytes;
    atomic_store_explicit(&header->chunk_count, index + 1, memory_order_release);
    return chunk;
}

/* ---- slots ---- */

static struct {
    struct cr_slot *next, *end;
    struct cr_chunk *chunk;
} slots;

/* A list of all slots' arrays that does not depend on the file. */
static struct slot_array {
    struct cr_slot *first;
    uint32_t count; /* handed out */
} arrays[CR_MAX_CHUNKS];
static uint32_t array_count;

static bool more_slots(size_t bytes)
{
    bool reopened = false;
    if (mapped.fd < 0 && mapped.path[0]) {
        mapped.fd = open(mapped.path, O_RDWR | O_CLOEXEC);
        reopened = mapped.fd >= 0;
        if (!reopened)
            mapped.fd = -errno;
    }
    char *chunk = add_chunk(CR_CHUNK_THREADS, bytes);
    if (reopened)
        close(mapped.fd);
    if (reopened || mapped.fd < 0)
        mapped.fd = -1;
    if (!chunk)
        return false;
    slots.next = (struct cr_slot *)(void *)chunk;
    slots.end = slots.next + bytes / sizeof(struct cr_slot);
    slots.chunk = &cr_recording->chunks[LOAD(cr_recording->chunk_count) - 1];
    arrays[array_count++] = (struct slot_array){.first = slots.next};
    return true;
}

struct cr_slot *cr_recording_new_slot(void)
{
    cr_lock(&cr_recording_lock);
    struct cr_slot *slot = NULL;
    if (slots.next < slots.end || more_slots(MORE_SLOTS_BYTES)) {
        slot = slots.next++;
        slots.chunk->used++;
        arrays[array_count - 1].count++;
    }
    cr_unlock(&cr_recording_lock);
    return slot;
}

void cr_recording_each_slot(void (*visit)(void *context, struct cr_slot *slot), void *context)
{
    for (uint32_t a = 0; a < array_count; a++)
        for (uint32_t i = 0; i < arrays[a].count; i++)
            visit(context, &arrays[a].first[i]);
}

static void add_to_totals(void *context, struct cr_slot *slot)
{
    struct cr_totals *totals = context;
    totals->allocations += LOAD(slot->allocations);
    totals->frees += LOAD(slot->frees);
    totals->reallocations += LOAD(slot->reallocations);
    totals->bytes_allocated += LOAD(slot->bytes_allocated);
    totals->bytes_freed += LOAD(slot->bytes_freed);
    totals->untracked_frees += LOAD(slot->untracked_frees);
}

struct cr_totals cr_recording_totals(void)
{
    struct cr_totals totals = {0};
    cr_recording_each_slot(add_to_totals, &totals);
    totals.live_bytes = cr_recording->inherited_bytes + totals.bytes_allocated - totals.bytes_freed;
    totals.live_blocks = cr_recording->inherited_blocks + totals.allocations - totals.frees;
    return totals;
}

/* ---- the peak ---- */

static void raise_peak(int64_t bytes, int64_t blocks)
{
    struct cr_header *header = cr_recording;
    uint64_t peak = LOAD(header->peak_bytes);
    while (bytes > 0 && (uint64_t)bytes > peak)
        if (atomic_compare_exchange_weak(&header->peak_bytes, &peak, (uint64_t)bytes)) {
            STORE(header->peak_blocks, blocks > 0 ? (uint64_t)blocks : 0);
            uint64_t threads = LOAD(header->threads);
            uint64_t step = (uint64_t)bytes / STEP_SHARE / (threads ? threads : 1);
            STORE(cr_recording_step, step < STEP_MIN_BYTES ? STEP_MIN_BYTES : (int64_t)step);
            break;
        }
}

void cr_recording_hand_in(struct cr_slot *slot)
{
    struct cr_header *header = cr_recording;
    int64_t live_bytes = (int64_t)(LOAD(slot->bytes_allocated) - LOAD(slot->bytes_freed));
    int64_t live_blocks = (int64_t)(LOAD(slot->allocations) - LOAD(slot->frees));
    int64_t handed_bytes = LOAD(slot->handed_bytes), handed_blocks = LOAD(slot->handed_blocks);

    int64_t bytes = atomic_fetch_add(&header->shared_bytes, live_bytes - handed_bytes);
    int64_t blocks = atomic_fetch_add(&header->shared_blocks, live_blocks - handed_blocks);
    raise_peak(bytes + LOAD(slot->high_bytes) - handed_bytes, blocks + LOAD(slot->high_blocks) - handed_blocks);

    STORE(slot->handed_bytes, live_bytes);
    STORE(slot->handed_blocks, live_blocks);
    STORE(slot->high_bytes, live_bytes);
    STORE(slot->high_blocks, live_blocks);
}

/* ---- start and fork ---- */

static void measure_meta(void *context, const char *key, const char *value)
{
    *(size_t *)context += strlen(key) + strlen(value) + 2;
}

static void write_meta(void *context, const char *key, const char *value)
{
    struct cr_text *text = context;
    cr_text_string(text, key);
    cr_text_char(text, '=');
    cr_text_string(text, value);
    if (text->length + 1 < text->capacity)
        text->length++; /* keep the terminator */
}

static bool set_path(const char *folder)
{
    struct cr_text path = CR_TEXT(mapped.path);
    cr_text_string(&path, folder);
    cr_text_string(&path, "/recording");
    return !path.cut;
}

/* Creates the file and allocates its header page. Sets mapped.fd; 0 or -errno with no file left behind. */
static int create_file(const char *folder)
{
    if (!set_path(folder))
        return -ENAMETOOLONG;
    mapped.fd = open(mapped.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (mapped.fd < 0)
        return -errno;
    int error = allocate(mapped.fd, 0, whole_pages(CR_HEADER_BYTES));
    if (error) {
        unlink(mapped.path);
        close(mapped.fd);
        mapped.fd = -1;
    }
    return error;
}

static void fill_header(struct cr_header *header, uint32_t flags)
{
    header->version = CR_FORMAT_VERSION;
    header->header_bytes = CR_HEADER_BYTES;
    header->flags = flags;
    header->pid = (uint64_t)getpid();
    header->ppid = (uint64_t)getppid();
    header->start_wall_ns = cr_os_wall_ns();
    header->start_ns = cr_os_now_ns();
}

static void close_file(int error)
{
    if (mapped.fd >= 0)
        close(mapped.fd);
    mapped.fd = -1;
    if (error) {
        mapped.path[0] = '\0';
        cr_recording_say("the recording is kept in memory only and would not survive a kill", "", error);
    }
}

int cr_recording_start(const char *folder, uint64_t heap_bytes, uint64_t heap_files, uint32_t flags)
{
    mapped.fd = -1;
    int error = create_file(folder);
    if (error == -EEXIST)
        return error;
    struct cr_header *header = cr_os_map_file(error ? -1 : mapped.fd, 0, CR_HEADER_BYTES, NULL);
    if (!header) {
        close_file(0);
        return -ENOMEM;
    }
    fill_header(header, flags);
    header->file_bytes = whole_pages(CR_HEADER_BYTES);
    header->heap_bytes_left = (int64_t)heap_bytes;
    header->heap_files_left = (int64_t)heap_files;
    cr_recording = header;

    size_t meta_bytes = 0;
    cr_os_describe_process(measure_meta, &meta_bytes);
    char *meta = add_chunk(CR_CHUNK_META, meta_bytes + 1);
    if (meta) {
        struct cr_text text = {meta, meta_bytes + 1, 0, false};
        cr_os_describe_process(write_meta, &text);
        header->chunks[0].used = (uint32_t)text.length;
    }
    bool have_slots = meta && more_slots(FIRST_SLOTS_BYTES);
    memcpy(header->magic, CR_RECORDING_MAGIC, sizeof header->magic); /* last: a header with its magic is whole */
    close_file(error);
    return have_slots ? 0 : -ENOMEM;
}

/* Moves one mapping of the parent's to the child's file, contents kept. */
static void move_mapping(char *memory, uint64_t offset, size_t bytes)
{
    char *copy = cr_os_map(bytes);
    if (!copy)
        return; /* keeps sharing with the parent: wrong counts in a recording are the lesser evil */
    memcpy(copy, memory, bytes);
    if (cr_os_map_file(mapped.fd, offset, bytes, memory))
        memcpy(memory, copy, bytes);
    cr_os_unmap(copy, bytes);
}

static void reset_slot(void *context, struct cr_slot *slot)
{
    (void)context;
    memset((void *)slot, 0, sizeof *slot);
}

static struct {
    struct cr_header header;
    struct cr_totals totals;
} at_fork;

void cr_recording_before_fork(void)
{
    at_fork.totals = cr_recording_totals();
    memcpy((void *)&at_fork.header, (const void *)cr_recording, sizeof at_fork.header);
}

int cr_recording_fork(const char *folder)
{
    const struct cr_totals totals = at_fork.totals;
    mapped.fd = -1;
    int error = folder ? create_file(folder) : -EACCES;
    if (!error && (error = allocate(mapped.fd, 0, at_fork.header.file_bytes)))
        unlink(mapped.path);
    if (error && mapped.fd >= 0) {
        close(mapped.fd);
        mapped.fd = -1;
    }

    struct cr_header *header = cr_recording;
    move_mapping((char *)header, 0, CR_HEADER_BYTES);
    memcpy((void *)header, (const void *)&at_fork.header, sizeof *header);
    uint32_t chunk_count = LOAD(header->chunk_count);
    for (uint32_t i = 0; i < chunk_count; i++) {
        const struct cr_chunk *chunk = &header->chunks[i];
        if (chunk->kind == CR_CHUNK_THREADS && chunk->bytes) /* empty: threads of the parent that are new use its slots already */
            cr_os_map_file(mapped.fd, chunk->offset, chunk->bytes, mapped.chunk[i]);
        else if (chunk->bytes)
            move_mapping(mapped.chunk[i], chunk->offset, chunk->bytes);
    }

    cr_recording_each_slot(reset_slot, NULL);
    fill_header(header, CR_RUN_FORKED | CR_RUN_CHILD);
    header->message[0] = '\0';
    header->inherited_bytes = totals.live_bytes;
    header->inherited_blocks = totals.live_blocks;
    STORE(header->shared_bytes, (int64_t)totals.live_bytes);
    STORE(header->shared_blocks, (int64_t)totals.live_blocks);
    STORE(header->peak_bytes, totals.live_bytes);
    STORE(header->peak_blocks, totals.live_blocks);
    close_file(folder ? error : 0);
    return error;
}

bool cr_recording_claim(struct cr_header *budget, uint64_t bytes)
{
    if (atomic_fetch_sub(&budget->heap_files_left, 1) > 0) {
        if (atomic_fetch_sub(&budget->heap_bytes_left, (int64_t)bytes) >= (int64_t)bytes)
            return true;
        atomic_fetch_add(&budget->heap_bytes_left, (int64_t)bytes);
    }
    atomic_fetch_add(&budget->heap_files_left, 1);
    return false;
}
