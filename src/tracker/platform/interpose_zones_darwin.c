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

/* A block is given to a zone that may not be its own, which would end the program: returns the one that is. Zones are asked, since one may
 * stand for another, as the default one does. */
static malloc_zone_t *right_zone(struct cr_thread *thread, const void *block, malloc_zone_t *zone, const char *function)
{
    uint32_t index = cr_block_peek((uintptr_t)block);
    const struct cr_record *record = cr_record(index);
    bool zoned = index && (cr_record_tag(record) & CR_TAG_KIND) == CR_KIND_ZONE;
    if (!index || (!zoned && zone == malloc_default_zone()))
        return zone;
    malloc_zone_t *owner = malloc_zone_from_ptr(block);
    if (!owner || owner == zone || zone->size(zone, block))
        return zone;
    cr_wrong_zone(thread, record, (uintptr_t)zone, (uintptr_t)owner, function);
    return owner;
}

CR_HOOK(void *, malloc_zone_malloc, (malloc_zone_t * zone, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread))
        return cr_passed(malloc_zone_malloc(zone, size));
    void *block = malloc_zone_malloc(zone, size);
    CR_FINISH(thread, block, size, kind_in(zone, CR_KIND_MALLOC));
    return block;
}

CR_HOOK(void *, malloc_zone_calloc, (malloc_zone_t * zone, size_t count, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread))
        return cr_passed(malloc_zone_calloc(zone, count, size));
    void *block = malloc_zone_calloc(zone, count, size);
    CR_FINISH_MANY(thread, block, count, size, kind_in(zone, CR_KIND_CALLOC));
    return block;
}

CR_HOOK(void *, malloc_zone_valloc, (malloc_zone_t * zone, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread))
        return cr_passed(malloc_zone_valloc(zone, size));
    void *block = malloc_zone_valloc(zone, size);
    CR_FINISH(thread, block, size, kind_in(zone, CR_KIND_ALIGNED));
    return block;
}

CR_HOOK(void *, malloc_zone_memalign, (malloc_zone_t * zone, size_t align, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread))
        return cr_passed(malloc_zone_memalign(zone, align, size));
    void *block = malloc_zone_memalign(zone, align, size);
    CR_FINISH(thread, block, size, kind_in(zone, CR_KIND_ALIGNED));
    return block;
}

CR_HOOK(void *, malloc_zone_realloc, (malloc_zone_t * zone, void *block, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread)) {
        if (cr_may_be_placed(block))
            return cr_pass_realloc(block, size);
        cr_block_passed((uintptr_t)block, false);
        return cr_passed(malloc_zone_realloc(zone, block, size));
    }
    if (!block) {
        block = malloc_zone_realloc(zone, NULL, size);
        CR_FINISH(thread, block, size, kind_in(zone, CR_KIND_REALLOC));
        return block;
    }
    struct cr_unwind_start start = CR_UNWIND_START();
    void *placed;
    if (CR_UNLIKELY(cr_may_be_placed(block)) &&
        cr_hooks_resize_placed(thread, block, size, __func__, &start, &placed)) {
        cr_leave(thread);
        return placed;
    }
    zone = right_zone(thread, block, zone, __func__);
    struct cr_resize resize = {
        .index = cr_on_resize_begin(thread, block, __func__, start.pc), .block = block, .size = size};
    if (CR_UNLIKELY(!resize.index) && !cr_hooks_may_resize(thread, block, __func__, start.pc))
        return NULL;
    resize.result = malloc_zone_realloc(zone, block, size);
    int saved = errno;
    resize.tag = cr_hooks_tag(thread, kind_in(zone, CR_KIND_REALLOC), &start);
    if (CR_UNLIKELY(!resize.result))
        cr_hooks_refused(thread, 1, size, resize.tag, __func__, &start);
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
    if (!cr_hooks_free_placed(thread, block, "malloc_zone_free", NULL, start))
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
    if (CR_UNLIKELY(!thread)) {
        cr_block_passed((uintptr_t)block, false);
        malloc_zone_free(zone, block);
        return;
    }
    zone = right_zone(thread, block, zone, __func__);
    if (cr_on_free(thread, block, start.pc) || cr_hooks_may_free(thread, block, __func__, start.pc))
        malloc_zone_free(zone, block);
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
            (thread ? cr_hooks_free_placed(thread, blocks[i], "malloc_zone_batch_free", NULL, &start)
                    : cr_placed_free_unseen(blocks[i])))
            continue;
        blocks[others++] = blocks[i];
    }
    count = others;
    for (unsigned i = 0; thread && i < count; i++)
        cr_on_free(thread, blocks[i], start.pc);
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
        cr_on_free(doomed->thread, block, 0);
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
