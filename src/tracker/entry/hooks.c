/* hooks.c - the allocation functions that both systems have.
 *
 * All have one shape: enter, call the real function, tell the recorder, leave; a freed block is told before the real call, since
 * another thread may get its address right after. */
#include "entry/hooks.h"

#include "events/leak_roots.h"

#include <errno.h>

#include "entry/placed.h"

struct cr_real cr_real;

/* Until start-up is complete every address is suspected, and looked up. */
struct cr_os_range cr_hooks_suspects = {0, UINTPTR_MAX};
static bool started;

void cr_hooks_started(void)
{
    cr_leak_roots_start((const void *)(uintptr_t)CR_REAL(malloc));
    cr_hooks_suspects = cr_os_find_loader();
    started = true;
}

bool cr_hooks_is_runtime(const void *return_address)
{
    cr_unwind_modules_stir();
    return started ? cr_os_in_loader(return_address) : cr_os_is_runtime(return_address);
}

/* Until start-up is complete, and of the loader's, nobody knows what is right. */
static bool is_judged(const void *block, uintptr_t caller)
{
    return started && !cr_is_early(block) &&
           !(caller - cr_hooks_suspects.base < cr_hooks_suspects.bytes && cr_os_in_loader((const void *)caller));
}

bool cr_hooks_may_free(struct cr_thread *thread, void *block, const char *function, uintptr_t caller)
{
    if (thread->function)
        function = thread->function;
    return cr_on_unknown(thread, block, is_judged(block, caller) ? function : NULL);
}

void cr_hooks_refused(struct cr_thread *thread, size_t count, size_t size, unsigned tag, const char *function,
                      const struct cr_unwind_start *start)
{
    int saved = errno;
    cr_wrong_size(thread, count, size, tag, function, start);
    errno = saved;
}

CR_HOOK(void *, malloc, (size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread))
        return cr_pass_malloc(size);
    CR_PLACE(thread, size, 16, CR_KIND_MALLOC);
    void *block = CR_CALL(malloc)(size);
    CR_FINISH(thread, block, size, CR_KIND_MALLOC);
    return block;
}

CR_HOOK(void *, calloc, (size_t count, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread))
        return cr_pass_calloc(count, size);
    size_t bytes;
    if (CR_LIKELY(!__builtin_mul_overflow(count, size, &bytes)))
        CR_PLACE(thread, bytes, 16, CR_KIND_CALLOC);
    void *block = CR_CALL(calloc)(count, size);
    CR_FINISH_MANY(thread, block, count, size, CR_KIND_CALLOC);
    return block;
}

CR_HOT void leave_after_free(struct cr_thread *thread, const void *caller)
{
    if (CR_UNLIKELY((uintptr_t)caller - cr_hooks_suspects.base < cr_hooks_suspects.bytes))
        cr_modules_recheck(); /* the loader gives memory back when it closes a module, and libraries close some on their own */
    cr_leave(thread);
}

CR_HOOK(void, free, (void *block))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread)) {
        cr_pass_free(block);
        return;
    }
    if (CR_UNLIKELY(cr_may_be_placed(block))) {
        struct cr_unwind_start start = CR_UNWIND_START();
        if (cr_hooks_free_placed(thread, block, "free", NULL, &start)) {
            leave_after_free(thread, __builtin_return_address(0));
            return;
        }
    }
    if (CR_LIKELY(cr_on_free(thread, block, CR_CALLER())))
        CR_CALL(free)(block);
    else if (cr_hooks_may_free(thread, block, "free", CR_CALLER()))
        cr_pass_free(block);
    leave_after_free(thread, __builtin_return_address(0));
}

bool cr_hooks_may_resize(struct cr_thread *thread, void *block, const char *function, uintptr_t caller)
{
    if (!is_judged(block, caller) || !cr_wrong_free(thread, block, function))
        return true;
    cr_leave(thread);
    errno = EINVAL;
    return false;
}

void *cr_hooks_resize(void *block, size_t size, const char *function, struct cr_unwind_start *start)
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread))
        return cr_pass_realloc(block, size);
    void *placed;
    if (CR_UNLIKELY(cr_may_be_placed(block)) && block &&
        cr_hooks_resize_placed(thread, block, size, function, start, &placed)) {
        cr_leave(thread);
        return placed;
    }
    if (CR_UNLIKELY(!block && !--thread->until_placed) &&
        (placed = cr_hooks_place(thread, size, 16, CR_KIND_REALLOC, start)))
        return placed;
    struct cr_resize resize = {
        .index = block ? cr_on_resize_begin(thread, block, function, start->pc) : 0, .block = block, .size = size};
    if (CR_UNLIKELY(block && !resize.index) && !cr_hooks_may_resize(thread, block, function, start->pc))
        return NULL;
    resize.result = resize.index || !block ? CR_CALL(realloc)(block, size) : cr_pass_realloc(block, size);
    int saved = errno;
    resize.tag = cr_hooks_tag(thread, CR_KIND_REALLOC, start);
    if (CR_UNLIKELY(!resize.result))
        cr_hooks_refused(thread, 1, size, resize.tag, function, start);
    if (block)
        cr_on_resize_end(thread, &resize, start);
    else if (resize.result)
        cr_on_alloc(thread, resize.result, size, resize.tag, start);
    cr_leave(thread);
    errno = saved;
    return resize.result;
}

CR_HOOK(void *, realloc, (void *block, size_t size))
{
    struct cr_unwind_start start = CR_UNWIND_START();
    return cr_hooks_resize(block, size, "realloc", &start);
}

CR_HOOK(int, posix_memalign, (void **result, size_t align, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread)) {
        int error = CR_REAL(posix_memalign)(result, align, size);
        if (!error)
            cr_passed(*result);
        return error;
    }
    if (CR_UNLIKELY(!--thread->until_placed) && cr_hooks_is_align(align)) {
        struct cr_unwind_start start = CR_UNWIND_START();
        void *placed = cr_hooks_place(thread, size, align, CR_KIND_ALIGNED, &start);
        if (placed) {
            *result = placed;
            return 0;
        }
    }
    int error = CR_CALL(posix_memalign)(result, align, size);
    void *block = error ? NULL : *result;
    CR_FINISH(thread, block, size, CR_KIND_ALIGNED);
    return error;
}

CR_HOOK(void *, aligned_alloc, (size_t align, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread))
        return cr_passed(CR_REAL(aligned_alloc)(align, size));
    if (cr_hooks_is_align(align))
        CR_PLACE(thread, size, align, CR_KIND_ALIGNED);
    void *block = CR_CALL(aligned_alloc)(align, size);
    CR_FINISH(thread, block, size, CR_KIND_ALIGNED);
    return block;
}

CR_HOOK(void *, valloc, (size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread))
        return cr_passed(CR_REAL(valloc)(size));
    CR_PLACE(thread, size, cr_os_page_bytes(), CR_KIND_ALIGNED);
    void *block = CR_CALL(valloc)(size);
    CR_FINISH(thread, block, size, CR_KIND_ALIGNED);
    return block;
}
