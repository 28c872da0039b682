/* arena.c - a bump allocator over large mappings, so that the number of mappings stays small however much is kept
 * (the kernel allows 65,530 by default). When a chunk cannot be had, a smaller one is tried, down to what the request needs. */
#include "services/arena.h"

#include <stdint.h>

#include "platform/platform.h"
#include "base/banned.h"

#define CHUNK_BYTES ((size_t)16 << 20)

static struct {
    char *next;
    size_t left;
} arena;

struct cr_lock cr_arena_lock = CR_LOCK_INIT;

static size_t padding(const char *at, size_t align) { return (0 - (uintptr_t)at) & (align - 1); }

static bool refill(size_t needed)
{
    size_t most = cr_os_modest(CHUNK_BYTES);
    for (size_t bytes = most > needed ? most : needed + cr_os_page_bytes(); bytes >= needed; bytes /= 2) {
        char *chunk = cr_os_map(bytes);
        if (!chunk)
            continue;
        if (arena.next) /* a program that needs more than the first chunk needs it for regions, which fill up */
            cr_os_expect_use(chunk, bytes);
        arena.next = chunk;
        arena.left = bytes;
        return true;
    }
    return false;
}

void *cr_arena_alloc(size_t bytes, size_t align)
{
    if (bytes + align >= CHUNK_BYTES)
        return cr_os_map(bytes);

    cr_lock(&cr_arena_lock);
    char *memory = NULL;
    size_t needed = padding(arena.next, align) + bytes;
    if (needed <= arena.left || (refill(bytes + align), (needed = padding(arena.next, align) + bytes) <= arena.left)) {
        memory = arena.next + (needed - bytes);
        arena.next += needed;
        arena.left -= needed;
    }
    cr_unlock(&cr_arena_lock);
    return memory;
}
