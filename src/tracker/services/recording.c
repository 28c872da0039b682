/* recording.c - see recording.h. Start, fork and growth hold the recording lock; reading slots needs none, since every counter
 * is written by one thread with plain atomic stores. */
#include "services/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fmt.h"
#include "platform/platform.h"
#include "services/options.h"
#include "base/counter.h"
#include "base/banned.h"

#define KIB4 ((size_t)4096)
#define MOST_SHRINKING 65536
#define EXTRAS_PER_LINE (64u / (uint32_t)sizeof(struct cr_site_extra))

static struct cr_header dummy;
static struct {
    char path[CR_PATH_BYTES]; /* empty: there is no file */
    int fd; /* only while a function here runs: the program must not see a descriptor; < 0: none, or -errno */
    size_t bytes[CR_SECTIONS], reserved[CR_SECTIONS];
    char *chunk_at[CR_MAX_CHUNKS];
} mapped;

struct cr_lock cr_recording_lock = CR_LOCK_INIT;
struct cr_header *cr_recording = &dummy;

/* ---- sections ---- */

static const struct {
    uint32_t item_bytes;
    size_t first_bytes;    /* of its first chunk */
    size_t reserved_bytes; /* of address space, which is all it can ever hold */
} plan[CR_SECTIONS] = {
    [CR_SECTION_META] = {1, KIB4, (size_t)4 << 20},
    [CR_SECTION_THREADS] = {sizeof(struct cr_slot), KIB4, (size_t)16 << 20},
    [CR_SECTION_SITES] = {sizeof(struct cr_site), 4 * KIB4, (size_t)1 << 30},
    [CR_SECTION_EXTRAS] = {sizeof(struct cr_site_extra), KIB4, (size_t)256 << 20},
    [CR_SECTION_NODES] = {sizeof(struct cr_node), KIB4, (size_t)512 << 20},
    [CR_SECTION_PCS] = {sizeof(struct cr_pc), KIB4, (size_t)128 << 20},
    [CR_SECTION_MODULES] = {sizeof(struct cr_module), KIB4, (size_t)16 << 20},
    [CR_SECTION_STRINGS] = {1, KIB4, (size_t)16 << 20},
    [CR_SECTION_ERRORS] = {sizeof(struct cr_error), KIB4, (size_t)1 << 20},
    [CR_SECTION_TIMELINE] = {sizeof(struct cr_point), KIB4, (size_t)1 << 20},
    [CR_SECTION_SERIES] = {sizeof(struct cr_series_point), KIB4, (size_t)1 << 20},
    [CR_SECTION_HISTOGRAMS] = {sizeof(struct cr_histogram), KIB4, (size_t)256 << 20},
    [CR_SECTION_THREADINFO] = {sizeof(struct cr_thread_info), KIB4, (size_t)1 << 20},
    [CR_SECTION_LEAKS] = {sizeof(struct cr_leak_sum), KIB4, (size_t)1 << 30},
};

char *cr_section_items[CR_SECTIONS];

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

/* Address space for all sections; less of it where there is a limit. */
static bool reserve_sections(void)
{
    size_t whole = 0, bytes = 0;
    for (int i = 0; i < CR_SECTIONS; i++)
        whole += plan[i].reserved_bytes;
    size_t share = whole / cr_os_modest(whole);
    char *space = NULL;
    for (; !space && share < MOST_SHRINKING; share *= 2) {
        bytes = 0;
        for (int i = 0; i < CR_SECTIONS; i++)
            bytes += mapped.reserved[i] = whole_pages(plan[i].reserved_bytes / share);
        space = cr_os_reserve(bytes);
    }
    for (int i = 0; i < CR_SECTIONS && space; i++) {
        cr_section_items[i] = space;
        space += mapped.reserved[i];
    }
    return space != NULL;
}

/* Chunks get larger with their section, faster when the table of chunks fills up. */
static size_t next_chunk_bytes(enum cr_section_kind section, size_t needed)
{
    size_t present = mapped.bytes[section];
    uint32_t chunks = CR_LOAD(cr_recording->chunk_count);
    size_t bytes = present / (chunks < CR_MAX_CHUNKS / 2 ? 8 : chunks < CR_MAX_CHUNKS / 4 * 3 ? 4 : 2);
    if (bytes < plan[section].first_bytes)
        bytes = plan[section].first_bytes;
    if (bytes < needed)
        bytes = needed;
    if (bytes > mapped.reserved[section] - present)
        bytes = mapped.reserved[section] - present;
    return whole_pages(bytes);
}

/* The recording is open only while it grows: the program must not see a descriptor. */
static void open_to_grow(void)
{
    if (mapped.path[0] && (mapped.fd = open(mapped.path, O_RDWR | O_CLOEXEC)) < 0)
        mapped.fd = -errno;
}

static void close_grown(void)
{
    if (mapped.fd >= 0)
        close(mapped.fd);
    mapped.fd = -1;
}

/* Maps a chunk behind the section's last one: of the file, or, where it cannot grow, of private memory. */
static bool add_chunk(enum cr_section_kind section, size_t needed)
{
    struct cr_header *header = cr_recording;
    uint32_t index = CR_LOAD(header->chunk_count);
    size_t bytes = next_chunk_bytes(section, needed);
    if (index == CR_MAX_CHUNKS || bytes < needed)
        return false;
    uint64_t offset = header->file_bytes;
    int error = mapped.fd < 0 ? mapped.fd : allocate(mapped.fd, offset, bytes);
    if (!cr_os_map_file(error ? -1 : mapped.fd, offset, bytes, cr_section_items[section] + mapped.bytes[section])) {
        mapped.reserved[section] =
            mapped.bytes[section]; /* a map that failed may have given up the place: it may be another's now */
        return false;
    }
    if (error && mapped.path[0])
        cr_recording_say("the recording cannot grow, so later call stacks and threads are missing from it", "", error);
    mapped.chunk_at[index] = cr_section_items[section] + mapped.bytes[section];
    mapped.bytes[section] += bytes;
    header->chunks[index] = (struct cr_chunk){.section = section, .offset = offset, .bytes = error ? 0 : bytes};
    header->file_bytes += error ? 0 : bytes;
    atomic_store_explicit(&header->chunk_count, index + 1, memory_order_release);
    return true;
}

/* Makes room for `bytes` more at the end of a section. */
static bool make_room(enum cr_section_kind section, size_t bytes)
{
    size_t end = CR_LOAD(cr_recording->sections[section].used) * plan[section].item_bytes + bytes;
    if (CR_UNLIKELY(cr_recording_live() != cr_recording))
        return cr_recording_room_frozen(section, end);
    if (end <= mapped.bytes[section])
        return true;
    int saved = errno;
    struct cr_os_held held;
    cr_os_hold_signals(&held); /* open is where a thread can be cancelled, and the lock is held */
    open_to_grow();
    bool room = add_chunk(section, end - mapped.bytes[section]);
    close_grown();
    cr_os_release_signals(&held);
    errno = saved;
    return room;
}

static uint32_t put(enum cr_section_kind section, const void *item, uint32_t count)
{
    _Atomic uint64_t *used = &cr_recording->sections[section].used;
    uint64_t first = CR_LOAD(*used);
    if (item)
        memcpy(cr_section_items[section] + first * plan[section].item_bytes, item,
               (size_t)count * plan[section].item_bytes);
    atomic_store_explicit(used, first + count, memory_order_release);
    return (uint32_t)first;
}

uint32_t cr_recording_append_locked(enum cr_section_kind section, const void *item, uint32_t count)
{
    bool room = make_room(section, (size_t)count * plan[section].item_bytes);
    return room ? put(section, item, count) : CR_NO_ITEM;
}

uint32_t cr_recording_append(enum cr_section_kind section, const void *item, uint32_t count)
{
    cr_lock(&cr_recording_lock);
    uint32_t first = cr_recording_append_locked(section, item, count);
    cr_unlock(&cr_recording_lock);
    return first;
}

uint32_t cr_recording_append_site(const struct cr_site *site)
{
    cr_lock(&cr_recording_lock);
    uint32_t used = (uint32_t)CR_LOAD(cr_recording->sections[CR_SECTION_SITES].used);
    bool neighbour = used > 1 && cr_site(used - 1)->slot != site->slot;
    uint32_t gap = neighbour ? (0 - used) & (EXTRAS_PER_LINE - 1) : 0;
    bool room = make_room(CR_SECTION_SITES, (gap + 1) * sizeof *site) &&
                make_room(CR_SECTION_EXTRAS, (gap + 1) * sizeof(struct cr_site_extra));
    uint32_t item = CR_NO_ITEM;
    if (room) {
        put(CR_SECTION_EXTRAS, NULL, gap + 1);
        put(CR_SECTION_SITES, NULL, gap);
        item = put(CR_SECTION_SITES, site, 1);
    }
    cr_unlock(&cr_recording_lock);
    return item;
}

/* ---- start and fork ---- */

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

static void give_up_file(int error)
{
    if (!error)
        return;
    mapped.path[0] = '\0';
    cr_recording_say("the recording is kept in memory only and would not survive a kill", "", error);
}

int cr_recording_start(const char *folder, uint64_t heap_bytes, uint64_t heap_files, uint32_t flags)
{
    mapped.fd = -1;
    int error = create_file(folder);
    if (error == -EEXIST)
        return error;
    struct cr_header *header = cr_os_map_file(error ? -1 : mapped.fd, 0, CR_HEADER_BYTES, NULL);
    close_grown();
    if (!header || !reserve_sections())
        return -ENOMEM;
    fill_header(header, flags);
    header->file_bytes = whole_pages(CR_HEADER_BYTES);
    header->heap_left = header->snapshots.heap = (struct cr_budget){(int64_t)heap_bytes, (int64_t)heap_files};
    for (int i = 0; i < CR_SECTIONS; i++)
        header->sections[i].item_bytes = plan[i].item_bytes;
    cr_recording = header;
    give_up_file(error);

    cr_recording_describe();
    static const uint32_t first_items[CR_SECTIONS] = {
        [CR_SECTION_SITES] = 1,     [CR_SECTION_EXTRAS] = 1,         [CR_SECTION_MODULES] = 1,
        [CR_SECTION_STRINGS] = 1,   [CR_SECTION_NODES] = CR_MARKERS, [CR_SECTION_PCS] = CR_MARKERS,
        [CR_SECTION_TIMELINE] = 1,  [CR_SECTION_SERIES] = 1,         [CR_SECTION_HISTOGRAMS] = 1,
        [CR_SECTION_THREADINFO] = 1};
    for (int i = 0; i < CR_SECTIONS; i++)
        if (first_items[i] && cr_recording_append((enum cr_section_kind)i, NULL, first_items[i]) == CR_NO_ITEM)
            return -ENOMEM;
    for (uint32_t i = 1; i < CR_MARKERS; i++)
        CR_SECTION_ITEM(struct cr_node, CR_SECTION_NODES, i)->pc = i;
    memcpy(header->magic, CR_RECORDING_MAGIC, sizeof header->magic); /* last: a header with its magic is whole */
    return 0;
}

/* Moves one mapping of the parent's to the child's file (or private memory), contents kept. */
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

/* What the parent's sites did is the parent's. What lives there the caller counts anew, from the blocks themselves: the parent may
 * have gone on counting in the shared file. */
static void reset_sites(void)
{
    uint32_t count = (uint32_t)CR_LOAD(cr_recording->sections[CR_SECTION_SITES].used);
    for (uint32_t i = 0; i < count; i++) {
        const struct cr_site was = *cr_site(i);
        *cr_site(i) = (struct cr_site){.address = was.address, .parent = was.parent, .pc = was.pc, .slot = was.slot};
        *cr_site_extra(i) = (struct cr_site_extra){0};
    }
}

/* What happened over time is the parent's too. Histograms that no site refers to any more are lost room. */
static void reset_history(void)
{
    static const enum cr_section_kind sections[] = {CR_SECTION_TIMELINE, CR_SECTION_SERIES, CR_SECTION_HISTOGRAMS,
                                                    CR_SECTION_THREADINFO};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        struct cr_section *section = &cr_recording->sections[sections[i]];
        memset(cr_section_items[sections[i]], 0, (size_t)CR_LOAD(section->used) * section->item_bytes);
    }
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
    mapped.path[0] = '\0'; /* the parent's */
    int error = folder ? create_file(folder) : -EACCES;
    if (!error && (error = allocate(mapped.fd, 0, at_fork.header.file_bytes)))
        unlink(mapped.path);
    if (error)
        close_grown();

    struct cr_header *header = cr_recording;
    move_mapping((char *)header, 0, CR_HEADER_BYTES);
    memcpy((void *)header, (const void *)&at_fork.header, sizeof *header);
    uint32_t chunk_count = CR_LOAD(header->chunk_count);
    for (uint32_t i = 0; i < chunk_count; i++) {
        const struct cr_chunk *chunk = &header->chunks[i];
        if (chunk->section == CR_SECTION_THREADS && chunk->bytes) /* empty: new threads of the parent use its slots */
            cr_os_map_file(mapped.fd, chunk->offset, chunk->bytes, mapped.chunk_at[i]);
        else if (chunk->bytes)
            move_mapping(mapped.chunk_at[i], chunk->offset, chunk->bytes);
    }
    close_grown();

    cr_recording_each_slot(reset_slot, NULL);
    reset_sites();
    reset_history();
    fill_header(header, CR_RUN_FORKED | CR_RUN_CHILD);
    header->message[0] = '\0';
    header->snapshots = (struct cr_snapshots){.signal = at_fork.header.snapshots.signal};
    header->inherited_bytes = totals.live_bytes;
    header->inherited_blocks = totals.live_blocks;
    CR_STORE(header->shared_bytes, (int64_t)totals.live_bytes);
    CR_STORE(header->shared_blocks, (int64_t)totals.live_blocks);
    CR_STORE(header->peak_bytes, totals.live_bytes);
    CR_STORE(header->peak_blocks, totals.live_blocks);
    CR_STORE(header->peak_epoch, 1);
    CR_STORE(header->errors, 0);
    CR_STORE(header->errors_left_out, 0);
    CR_STORE(header->sections[CR_SECTION_ERRORS].used, 0);
    CR_STORE(header->sections[CR_SECTION_LEAKS].used, 0);
    give_up_file(folder ? error : 0);
    return error;
}
