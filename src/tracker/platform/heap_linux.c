/* heap_linux.c - which memory glibc's malloc has for itself, and which pages have contents, on Linux.
 *
 * Sources: glibc, malloc/malloc.c (struct malloc_state, bins) and malloc/arena.c (struct heap_info); Linux,
 * Documentation/admin-guide/mm/pagemap.rst. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "platform/platform.h"
#include "base/banned.h"

/* ---- heaps of arenas ---- */

/* A heap of an arena other than the main one lies at a multiple of this and begins with a struct heap_info. */
#define HEAP_MOST ((uintptr_t)64 << 20)
#define PAGE_MASK ((uintptr_t)4095)
#define LARGEST_INFO 128 /* its arena follows at once in the first heap of an arena */

struct heap_info {
    uintptr_t arena, previous, size, protected_size;
};

static bool is_heap(uintptr_t at, const struct heap_info *info)
{
    bool sizes = info->size && info->size <= info->protected_size && info->protected_size <= HEAP_MOST &&
                 !((info->size | info->protected_size) & PAGE_MASK);
    bool first = !info->previous && info->arena - at <= LARGEST_INFO && info->arena > at;
    bool later =
        info->previous && !(info->previous & (HEAP_MOST - 1)) && (info->arena & ~(HEAP_MOST - 1)) != at && info->arena;
    return sizes && (first || later);
}

/* ---- the main arena ---- */

#define BIN_PAIRS 127
#define FAST_BINS 10
#define MOST_DATA_BYTES ((size_t)1 << 20)

/* Whether two words are the ends of a bin's list: an empty one points at itself, two words before. */
static bool is_bin(const uintptr_t *pair, bool *empty)
{
    uintptr_t self = (uintptr_t)(pair - 2);
    *empty = pair[0] == self && pair[1] == self;
    return *empty || (pair[0] > PAGE_MASK && pair[1] > PAGE_MASK && !((pair[0] | pair[1]) & 15));
}

/* The list ends of the free blocks, 127 pairs of words of which most are empty, are the one thing in libc's data that looks like this. What
 * they and the words before them point at is no use of a block. NULL: not there. */
static const uintptr_t *find_bins(const uintptr_t *word, size_t count)
{
    bool empty;
    for (size_t i = 0; i + 2 * BIN_PAIRS <= count; i++) {
        size_t pairs = 0, empties = 0;
        if (!is_bin(&word[i], &empty) || !empty)
            continue;
        while (i + 2 * pairs + 2 <= count && is_bin(&word[i + 2 * pairs], &empty)) {
            empties += empty;
            pairs++;
        }
        if (empties < BIN_PAIRS / 4)
            continue;
        const uintptr_t *end = &word[i + 2 * pairs]; /* bins before the first empty one are in use */
        return end - 2 * BIN_PAIRS >= word ? end - 2 * BIN_PAIRS : NULL;
    }
    return NULL;
}

static bool is_libc(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && !strncmp(slash, "/libc.so", 8);
}

void cr_os_each_malloc_part(const struct cr_os_mapping *mapping,
                            void (*visit)(void *context, uintptr_t start, uintptr_t end), void *context)
{
    if (mapping->flags & CR_OS_HEAP) {
        visit(context, mapping->start, mapping->end);
        return;
    }
    if (is_libc(mapping->name) && mapping->end - mapping->start < MOST_DATA_BYTES) {
        const uintptr_t *word = (const uintptr_t *)mapping->start;
        const uintptr_t *bins = find_bins(word, (mapping->end - mapping->start) / sizeof *word);
        if (bins)
            visit(context, (uintptr_t)(bins - 2 - FAST_BINS), (uintptr_t)(bins + 2 * BIN_PAIRS));
    }
    if (mapping->flags & CR_OS_FILE)
        return;
    for (uintptr_t at = (mapping->start + HEAP_MOST - 1) & ~(HEAP_MOST - 1); at >= mapping->start && at < mapping->end;
         at += HEAP_MOST) {
        struct heap_info info;
        if (cr_os_read_memory(at, &info, sizeof info) == sizeof info && is_heap(at, &info))
            visit(context, at, at + info.protected_size < mapping->end ? at + info.protected_size : mapping->end);
    }
}

/* ---- pages with contents ---- */

#define ENTRIES 512
#define HAS_CONTENTS ((uint64_t)3 << 62) /* present, or swapped out */

/* The stretch as the open file has it; cr_os_next_resident's arguments. */
static bool next_stretch(int fd, uintptr_t *from, uintptr_t to, uintptr_t *end)
{
    uint64_t entry[ENTRIES];
    uintptr_t page = cr_os_page_bytes(), at = *from & ~(page - 1);
    bool inside = false;
    while (at < to) {
        size_t pages = (to - at + page - 1) / page;
        ssize_t n =
            pread(fd, entry, (pages < ENTRIES ? pages : ENTRIES) * sizeof *entry, (off_t)(at / page * sizeof *entry));
        if (n < (ssize_t)sizeof *entry) { /* not told: all that is left */
            if (!inside && at > *from)
                *from = at;
            *end = to;
            return true;
        }
        for (size_t i = 0; i < (size_t)n / sizeof *entry; i++, at += page) {
            bool has = entry[i] & HAS_CONTENTS;
            if (has && !inside && at > *from)
                *from = at;
            if (!has && inside) {
                *end = at;
                return true;
            }
            inside = has;
        }
    }
    *end = to;
    return inside;
}

bool cr_os_next_resident(uintptr_t *from, uintptr_t to, uintptr_t *end)
{
    int fd = open("/proc/thread-self/pagemap", O_RDONLY | O_CLOEXEC);
    bool found = next_stretch(fd, from, to, end);
    if (fd >= 0)
        close(fd);
    return found;
}
