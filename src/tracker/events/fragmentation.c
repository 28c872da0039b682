/* fragmentation.c - see fragmentation.h. One pass over the live blocks adds up what the allocator made of each, by site, and what lives on
 * every page, by region; a second one, over the regions, asks the system which of those pages are resident. */
#include "events/fragmentation.h"

#include <unistd.h>

#include "base/fmt.h"
#include "events/final.h"
#include "platform/platform.h"
#include "services/recording.h"
#include "services/table.h"
#include "services/writer.h"
#include "state/block_table.h"
#include "base/banned.h"

#define REGION_BYTES ((uintptr_t)1 << CR_REGION_SHIFT)
#define PAGES_MOST (REGION_BYTES / 4096)
#define AT_ONCE 64u /* regions in one mapping */
#define FREE_MOST                                                                                                      \
    200000u /* pieces of memory that may be free, each of which the allocator looks at to tell its sums: about 0.1 µs */

/* Live bytes on the pages of a region. */
struct region {
    uintptr_t start;
    struct region *next;
    uint32_t live[PAGES_MOST];
};

/* Pages by how much of them is live: none (but live pages of the region lie on both sides), up to an eighth, a quarter, a half, less than all,
 * all. */
enum { CLASSES = 6 };
static const char *const class_names[CLASSES] = {"pages_empty", "pages_eighth", "pages_quarter",
                                                 "pages_half",  "pages_part",   "pages_full"};

static struct {
    uint64_t *usable; /* by item of SITES */
    uint32_t sites;
    uint64_t asked, usable_bytes, unknown_blocks;
    struct cr_table regions;
    struct region *first, *spare;
    uint32_t spares;
    bool no_memory;
    uint64_t pages[CLASSES], page_bytes[CLASSES];
    uint64_t from_system, unused;
    bool ready, told; /* whether the allocator was asked for these two, and knew them */
} sums;

static struct region *new_region(uintptr_t start)
{
    if (!sums.spares) {
        sums.spare = cr_os_map(AT_ONCE * sizeof *sums.spare);
        sums.spares = sums.spare ? AT_ONCE : 0;
    }
    if (!sums.spares || cr_table_add(&sums.regions, start, sums.spare)) {
        sums.no_memory = true;
        return NULL;
    }
    struct region *region = sums.spare++;
    sums.spares--;
    region->start = start;
    region->next = sums.first;
    sums.first = region;
    return region;
}

static void add_to_pages(uintptr_t address, uint64_t bytes)
{
    size_t page = cr_os_page_bytes();
    static struct region *last;
    while (bytes && !sums.no_memory) {
        uintptr_t start = address & ~(REGION_BYTES - 1);
        if (!last || last->start != start)
            last = cr_table_find(&sums.regions, start);
        if (!last && !(last = new_region(start)))
            return;
        uintptr_t here = page - (address & (page - 1));
        here = here < bytes ? here : bytes;
        last->live[(address - start) / page] += (uint32_t)here;
        address += here;
        bytes -= here;
    }
}

static void add_block(void *context, struct cr_record *record)
{
    (void)context;
    uintptr_t address = record->address;
    uint64_t size = cr_record_size(record);
    if (!address || cr_record_tag(record) & CR_TAG_PLACED)
        return;
    add_to_pages(address, size);
    uint64_t usable = cr_os_usable_bytes((void *)address, size);
    if (usable < size) { /* the allocator cannot tell */
        sums.unknown_blocks++;
        return;
    }
    sums.asked += size;
    sums.usable_bytes += usable;
    if (sums.usable && record->node < sums.sites)
        sums.usable[record->node] += usable;
}

static unsigned class_of(uint32_t live, size_t page)
{
    return !live ? 0 : live >= page ? 5 : live * 8 <= page ? 1 : live * 4 <= page ? 2 : live * 2 <= page ? 3 : 4;
}

static void count_pages(const struct region *region)
{
    static unsigned char resident[PAGES_MOST];
    size_t page = cr_os_page_bytes(), count = REGION_BYTES / page, first = 0, end = count;
    cr_os_resident_pages(region->start, count, resident);
    while (first < end && !region->live[first])
        first++;
    while (end > first && !region->live[end - 1])
        end--;
    for (size_t i = first; i < end; i++) {
        unsigned kind = class_of(region->live[i], page);
        sums.pages[kind] += resident[i];
        sums.page_bytes[kind] += resident[i] ? region->live[i] : 0;
    }
}

static void write_sums(struct cr_writer *writer)
{
    cr_writer_pair(writer, "page_bytes", cr_os_page_bytes());
    for (int i = 0; i < CLASSES; i++) {
        cr_writer_pair(writer, class_names[i], sums.pages[i]);
        cr_writer_pair(writer, "live_there", sums.page_bytes[i]);
    }
    if (sums.told) {
        cr_writer_pair(writer, "heap_bytes", sums.from_system);
        cr_writer_pair(writer, "heap_unused", sums.unused);
    }
    cr_writer_pair(writer, "asked", sums.asked);
    cr_writer_pair(writer, "usable", sums.usable_bytes);
    cr_writer_pair(writer, "unknown_blocks", sums.unknown_blocks);
    for (uint32_t i = 0; sums.usable && i < sums.sites; i++)
        if (sums.usable[i]) {
            char bytes[64];
            struct cr_text text = CR_TEXT(bytes);
            cr_text_decimal(&text, i);
            cr_text_char(&text, ' ');
            cr_text_decimal(&text, sums.usable[i]);
            cr_writer_line(writer, "site", bytes);
        }
}

void cr_fragmentation_ask(void)
{
    bool few = cr_recording->peak_blocks < cr_recording_totals().live_blocks + FREE_MOST;
    sums.told = few && cr_os_heap_bytes(&sums.from_system, &sums.unused);
    sums.ready = true;
}

void cr_fragmentation_write(const char *folder)
{
    const char *path = cr_final_path(folder, "fragmentation");
    if (!path || !sums.ready || sums.first) /* the last: an exec has failed; what was written then stays */
        return;
    sums.sites = (uint32_t)cr_recording->sections[CR_SECTION_SITES].used;
    sums.usable = cr_os_map(sums.sites * sizeof *sums.usable);
    cr_block_each(add_block, NULL);
    for (const struct region *region = sums.first; region && !sums.no_memory; region = region->next)
        count_pages(region);
    struct cr_writer writer;
    cr_writer_open(&writer, path);
    write_sums(&writer);
    int error = cr_writer_close(&writer);
    if (sums.usable)
        cr_os_unmap(sums.usable, sums.sites * sizeof *sums.usable);
    if (error) {
        unlink(path);
        cr_recording_say("cannot write ", "fragmentation", error);
    }
}
