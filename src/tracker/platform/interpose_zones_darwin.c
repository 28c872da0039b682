/* interpose_zones_darwin.c - the hooks of libmalloc's zones, heaps beside the default one that can be destroyed as a whole.
 *
 * Blocks of the default zone are what malloc gives and are recorded as such; those of any other zone are of the kind "zone", for
 * life, whichever function resizes them. None of these functions places a block (events/placement.h), since a zone must know its own;
 * those that malloc has placed may be freed and resized here all the same. */
#include "platform/interpose.h"

#include <errno.h>

#include "entry/hooks.h"
#include "entry/placed.h"

static unsigned kind_in(const malloc_zone_t *zone, unsigned kind)
{
    return zone == malloc_default_zone() ? kind : CR_KIND_ZONE;
}

CR_HOOK(void *, malloc_zone_malloc, (malloc_zone_t * zone, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    void *block = malloc_zone_malloc(zone, size);
    if (CR_LIKELY(thread != NULL))
        CR_FINISH(thread, block, size, kind_in(zone, CR_KIND_MALLOC));
    return block;
}

CR_HOOK(void *, malloc_zone_calloc, (malloc_zone_t * zone, size_t count, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    void *block = malloc_zone_calloc(zone, count, size);
    if (CR_LIKELY(thread != NULL))
        CR_FINISH(thread, block, count * size, kind_in(zone, CR_KIND_CALLOC));
    return block;
}

CR_HOOK(void *, malloc_zone_valloc, (malloc_zone_t * zone, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    void *block = malloc_zone_valloc(zone, size);
    if (CR_LIKELY(thread != NULL))
        CR_FINISH(thread, block, size, kind_in(zone, CR_KIND_ALIGNED));
    return block;
}

CR_HOOK(void *, malloc_zone_memalign, (malloc_zone_t * zone, size_t align, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    void *block = malloc_zone_memalign(zone, align, size);
    if (CR_LIKELY(thread != NULL))
        CR_FINISH(thread, block, size, kind_in(zone, CR_KIND_ALIGNED));
    return block;
}

CR_HOOK(void *, malloc_zone_realloc, (malloc_zone_t * zone, void *block, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread))
        return cr_may_be_placed(block) ? cr_pass_realloc(block, size) : malloc_zone_realloc(zone, block, size);
    if (!block) {
        block = malloc_zone_realloc(zone, NULL, size);
        CR_FINISH(thread, block, size, kind_in(zone, CR_KIND_REALLOC));
        return block;
    }
    struct cr_unwind_start start = CR_UNWIND_START();
    void *placed;
    if (CR_UNLIKELY(cr_may_be_placed(block)) && cr_hooks_resize_placed(thread, block, size, &start, &placed)) {
        cr_leave(thread);
        return placed;
    }
    struct cr_resize resize = {.index = cr_on_resize_begin(thread, block), .block = block, .size = size};
    resize.result = malloc_zone_realloc(zone, block, size);
    int saved = errno;
    resize.tag = cr_hooks_tag(thread, kind_in(zone, CR_KIND_REALLOC), &start);
    cr_on_resize_end(thread, &resize, &start);
    cr_leave(thread);
    errno = saved;
    return resize.result;
}

/* Whether the block was a placed one and is freed; the thread has left then. thread NULL: it could not enter. */
static CR_COLD bool free_placed(struct cr_thread *thread, void *block, const struct cr_unwind_start *start)
{
    if (!thread)
        return cr_placed_free_unseen(block);
    if (!cr_hooks_free_placed(thread, block, "malloc_zone_free", start))
        return false;
    cr_leave(thread);
    return true;
}

CR_HOOK(void, malloc_zone_free, (malloc_zone_t * zone, void *block))
{
    struct cr_unwind_start start = CR_UNWIND_START();
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(cr_may_be_placed(block)) && free_placed(thread, block, &start))
        return;
    if (CR_LIKELY(thread != NULL))
        cr_on_free(thread, block);
    malloc_zone_free(zone, block);
    if (CR_LIKELY(thread != NULL))
        cr_leave(thread);
}

/* ---- many at once ---- */

CR_HOOK(unsigned, malloc_zone_batch_malloc, (malloc_zone_t * zone, size_t size, void **results, unsigned count))
{
    struct cr_thread *thread = cr_hook_enter();
    unsigned made = malloc_zone_batch_malloc(zone, size, results, count);
    if (CR_UNLIKELY(!thread))
        return made;
    struct cr_unwind_start start = CR_UNWIND_START();
    unsigned tag = cr_hooks_tag(thread, kind_in(zone, CR_KIND_MALLOC), &start);
    for (unsigned i = 0; i < made; i++)
        cr_on_alloc(thread, results[i], size, tag, &start);
    cr_leave(thread);
    return made;
}

CR_HOOK(void, malloc_zone_batch_free, (malloc_zone_t * zone, void **blocks, unsigned count))
{
    struct cr_unwind_start start = CR_UNWIND_START();
    struct cr_thread *thread = cr_hook_enter();
    unsigned others = 0; /* the array may be overwritten */
    for (unsigned i = 0; i < count; i++) {
        if (CR_UNLIKELY(cr_may_be_placed(blocks[i])) &&
            (thread ? cr_hooks_free_placed(thread, blocks[i], "malloc_zone_batch_free", &start)
                    : cr_placed_free_unseen(blocks[i])))
            continue;
        blocks[others++] = blocks[i];
    }
    count = others;
    for (unsigned i = 0; thread && i < count; i++)
        cr_on_free(thread, blocks[i]);
    malloc_zone_batch_free(zone, blocks, count);
    if (thread)
        cr_leave(thread);
}

struct doomed {
    struct cr_thread *thread;
    malloc_zone_t *zone;
};

static void free_if_inside(void *context, struct cr_record *record)
{
    const struct doomed *doomed = context;
    void *block = (void *)(uintptr_t)atomic_load_explicit(&record->address, memory_order_relaxed);
    bool zoned = (cr_record_tag(record) & CR_TAG_KIND) == CR_KIND_ZONE;
    if (block && zoned && doomed->zone->size(doomed->zone, block)) /* 0: not a block of this zone */
        cr_on_free(doomed->thread, block);
}

/* Every block of the zone ends: each live one of the kind "zone" is asked for, in one pass over the table, while the zone can still
 * answer. The default zone's blocks have other kinds, and it cannot be destroyed. */
CR_HOOK(void, malloc_destroy_zone, (malloc_zone_t * zone))
{
    struct cr_thread *thread = cr_hook_enter();
    struct doomed doomed = {thread, zone};
    if (thread)
        cr_block_each(free_if_inside, &doomed);
    malloc_destroy_zone(zone);
    if (thread)
        cr_leave(thread);
}
