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

/* Chunks stay where they are in the file; behind a section's last item there is a hole. */
static int write_chunks(int fd, const struct cr_header *header)
{
    size_t done[CR_SECTIONS] = {0}; /* bytes of the section in the chunks before */
    bool lost[CR_SECTIONS] = {false};
    uint32_t count = atomic_load_explicit(&header->chunk_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        const struct cr_chunk *chunk = &header->chunks[i];
        uint32_t section = chunk->section;
        size_t used = used_bytes(header, (int)section), from = done[section];
        lost[section] |= !chunk->bytes; /* how much it holds in memory is not known, and the reader cuts here too */
        if (lost[section] || from >= used)
            continue;
        size_t bytes = used - from < chunk->bytes ? used - from : (size_t)chunk->bytes;
        int error = cr_write_at(fd, chunk->offset, cr_section_items[section] + from, bytes);
        if (error)
            return error;
        done[section] += bytes;
    }
    return 0;
}

int cr_recording_write_frozen(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    int error = write_chunks(fd, cr_recording);
    if (!error)
        error = cr_write_at(fd, 0, frozen.copy, sizeof *cr_recording);
    if (!error && ftruncate(fd, (off_t)cr_recording->file_bytes))
        error = -errno;
    if (close(fd) && !error)
        error = -errno;
    return error;
}
