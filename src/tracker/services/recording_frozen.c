/* recording_frozen.c - the recording of one moment (recording.h). The mapping is shared with the process, which goes on counting in
 * it, so what changes is copied before the fork: the header and all sections but those whose items never change once they are
 * there. Their numbers of items are in the header's copy. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "platform/platform.h"
#include "services/recording.h"
#include "services/writer.h"
#include "base/banned.h"

static struct {
    struct cr_header *live; /* NULL: nothing is frozen */
    char *copy;             /* the header, then the sections that change, each from a cache line on */
    size_t bytes;
    size_t room[CR_SECTIONS]; /* in the child: bytes of a section that has grown */
} frozen;

static const bool unchanging[CR_SECTIONS] = {
    [CR_SECTION_META] = true, [CR_SECTION_NODES] = true, [CR_SECTION_PCS] = true, [CR_SECTION_STRINGS] = true};

/* Bytes of a section in use. */
static size_t used_bytes(const struct cr_header *header, int section)
{
    const struct cr_section *has = &header->sections[section];
    return (size_t)atomic_load_explicit(&has->used, memory_order_acquire) * has->item_bytes;
}

static size_t whole_lines(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

bool cr_recording_freeze(void)
{
    frozen.bytes = CR_HEADER_BYTES;
    for (int i = 0; i < CR_SECTIONS; i++)
        frozen.bytes += unchanging[i] ? 0 : whole_lines(used_bytes(cr_recording, i));
    frozen.copy = cr_os_map(frozen.bytes);
    if (!frozen.copy)
        return false;
    cr_os_expect_use(frozen.copy, frozen.bytes);
    memcpy(frozen.copy, (const void *)cr_recording, sizeof *cr_recording);
    const struct cr_header *header = (const struct cr_header *)(void *)frozen.copy;
    char *at = frozen.copy + CR_HEADER_BYTES;
    for (int i = 0; i < CR_SECTIONS; i++)
        if (!unchanging[i]) {
            size_t bytes = used_bytes(header, i);
            memcpy(at, cr_section_items[i], bytes);
            at += whole_lines(bytes);
        }
    frozen.live = cr_recording;
    return true;
}

void cr_recording_melt(void)
{
    cr_os_unmap(frozen.copy, frozen.bytes);
    frozen.live = NULL;
}

struct cr_header *cr_recording_turn_frozen(void)
{
    cr_recording = (struct cr_header *)(void *)frozen.copy;
    char *at = frozen.copy + CR_HEADER_BYTES;
    for (int i = 0; i < CR_SECTIONS; i++)
        if (!unchanging[i]) {
            cr_section_items[i] = at;
            at += whole_lines(used_bytes(cr_recording, i));
        }
    return frozen.live;
}

struct cr_header *cr_recording_live(void) { return frozen.live ? frozen.live : cr_recording; }

bool cr_recording_room_frozen(enum cr_section_kind section, size_t bytes)
{
    if (bytes <= frozen.room[section])
        return true;
    char *items = cr_os_map(2 * bytes);
    if (!items)
        return false;
    memcpy(items, cr_section_items[section], used_bytes(cr_recording, (int)section));
    cr_section_items[section] = items;
    frozen.room[section] = 2 * bytes;
    return true;
}

/* Each section is one chunk of the file, whatever it was in the mapped one; behind its last item there may be a hole. */
static int write_sections(int fd, struct cr_header *header)
{
    uint64_t page = cr_os_page_bytes(), offset = (CR_HEADER_BYTES + page - 1) & ~(page - 1);
    int error = 0;
    uint32_t count = 0;
    for (int i = 0; i < CR_SECTIONS && !error; i++) {
        size_t bytes = used_bytes(header, i);
        if (!bytes)
            continue;
        error = cr_write_at(fd, offset, cr_section_items[i], bytes);
        uint64_t whole = (bytes + page - 1) & ~(page - 1);
        header->chunks[count++] = (struct cr_chunk){.section = (uint32_t)i, .offset = offset, .bytes = whole};
        offset += whole;
    }
    header->chunk_count = count;
    header->file_bytes = offset;
    return error;
}

int cr_recording_write_frozen(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    int error = write_sections(fd, cr_recording);
    if (!error)
        error = cr_write_at(fd, 0, (const void *)cr_recording, sizeof *cr_recording);
    if (!error && ftruncate(fd, (off_t)cr_recording->file_bytes))
        error = -errno;
    if (close(fd) && !error)
        error = -errno;
    return error;
}
