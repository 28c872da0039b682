/* placed.c - see placed.h. */
#include "entry/placed.h"

#include <errno.h>
#include <string.h>

#include "services/recording.h"

#define ALIGN 16u /* the allocator's own */

static void *allocate(size_t size, bool zeroed) { return zeroed ? CR_CALL(calloc)(1, size) : CR_CALL(malloc)(size); }
static void release(void *base) { CR_CALL(free)(base); }

const struct cr_heap cr_hooks_heap = {allocate, release};

void *cr_hooks_place(struct cr_thread *thread, size_t size, size_t align, unsigned kind, struct cr_unwind_start *start)
{
    int saved = errno;
    unsigned mark = 0;
    void *block = cr_place(thread, size, align, kind == CR_KIND_CALLOC, &mark);
    if (block) {
        unsigned tag = cr_hooks_tag(thread, kind, start) | mark;
        cr_on_alloc(thread, block, size, tag, start);
        if (cr_placed_is_known(thread, block, size, tag))
            cr_leave(thread);
        else
            block = NULL;
    }
    errno = saved;
    return block;
}

bool cr_hooks_free_placed(struct cr_thread *thread, void *block, const char *function, const struct cr_delete *how,
                          const struct cr_unwind_start *start)
{
    struct cr_placed_block placed;
    if (!cr_placed_find(block, &placed))
        return false;
    int saved = errno;
    bool whole = cr_placed_check(thread, &placed, &(struct cr_placed_call){function, start});
    bool taken = how ? cr_on_delete(thread, block, how->tag, how->size, how->align, how->caller)
                     : cr_on_free(thread, block, start->pc);
    if (taken)
        cr_placed_retire(thread, &placed, start, whole);
    errno = saved;
    return taken; /* else another thread frees it at the same moment */
}

/* A new block for realloc, and its tag. */
static void *place_again(struct cr_thread *thread, size_t size, unsigned *mark)
{
    void *block = --thread->until_placed ? NULL : cr_place(thread, size, ALIGN, false, mark);
    return block ? block : CR_CALL(malloc)(size);
}

/* Placed blocks never stay where they are: who still uses the old address is found. */
bool cr_hooks_resize_placed(struct cr_thread *thread, void *block, size_t size, const char *function,
                            struct cr_unwind_start *start, void **result)
{
    struct cr_placed_block placed;
    if (!cr_placed_find(block, &placed))
        return false;
    *result = NULL;
    bool whole = cr_placed_check(thread, &placed, &(struct cr_placed_call){function, start});
    unsigned mark = 0;
    bool frees = !size && cr_os_realloc_to_0_frees;
    void *fresh = frees ? NULL : place_again(thread, size, &mark);
    if (!fresh && !frees)
        return true; /* errno says why; the block lives on */
    if (fresh)
        memcpy(fresh, block, size < placed.size ? size : placed.size);
    struct cr_resize resize = {
        .index = cr_on_resize_begin(thread, block, function, start->pc), .block = block, .result = fresh, .size = size};
    if (!resize.index) /* another thread frees it at the same moment */
        return true;
    int saved = errno;
    resize.tag = cr_hooks_tag(thread, CR_KIND_REALLOC, start) | mark;
    cr_on_resize_end(thread, &resize, start);
    cr_placed_retire(thread, &placed, start, whole);
    errno = saved;
    *result = fresh;
    return true;
}

bool cr_hooks_resize_unseen(void *block, size_t size, void **result)
{
    struct cr_placed_block placed;
    if (!cr_placed_may_ask(block)) {
        *result = NULL;
        errno = ENOMEM;
        return true;
    }
    if (!cr_placed_find(block, &placed))
        return false;
    bool frees = !size && cr_os_realloc_to_0_frees;
    *result = frees ? NULL : CR_CALL(malloc)(size);
    if (*result)
        memcpy(*result, block, size < placed.size ? size : placed.size);
    if (*result || frees)
        cr_placed_free_unseen(block);
    return true;
}

size_t crunch_tracker_check(void)
{
    struct cr_thread *thread = cr_hook_enter();
    if (!thread)
        return 0;
    int saved = errno;
    uint64_t before = atomic_load(&cr_recording->errors);
    cr_placement_check_all(thread);
    size_t found = (size_t)(atomic_load(&cr_recording->errors) - before);
    errno = saved;
    cr_leave(thread);
    return found;
}
