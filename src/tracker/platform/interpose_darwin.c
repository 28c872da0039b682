/* interpose_darwin.c - the tuples by which dyld redirects calls to the hooks, and the hooks that only macOS has, zones aside
 * (interpose_zones_darwin.c).
 *
 * dyld applies the tuples to every image but this one, so the hooks call the real functions by their own names. A function that
 * this macOS does not have is NULL in its tuple, and dyld passes over it. */
#include "platform/interpose.h"

#include <errno.h>
#include <unistd.h>

#include "entry/hooks.h"
#include "entry/placed.h"

struct tuple {
    void (*replacement)(void);
    void (*replacee)(void);
};

#define TUPLE_BOTH(name)                                                                                               \
    __attribute__((used, section("__DATA,__interpose"))) static const struct tuple tuple_##name = {                    \
        (void (*)(void))crunch_##name, (void (*)(void))name};
#define TUPLE_LINUX(name)
#define TUPLE_DARWIN(name) TUPLE_BOTH(name)
#define TUPLE(system, type, name, parameters) TUPLE_##system(name)
CR_HOOK_LIST(TUPLE)

/* ---- the real functions: always there, also before start-up ---- */

void cr_real_find(void) { cr_real.found = true; }

bool cr_is_early(const void *block)
{
    (void)block;
    return false;
}

/* Which blocks are live the system's malloc itself can be asked (cr_os_is_block), whoever provides it. */
uintptr_t cr_real_malloc(void) { return (uintptr_t)malloc; }
bool cr_real_is_the_systems(void) { return true; }
size_t cr_real_least_apart(void) { return cr_os_least_apart; }

void *cr_pass_malloc(size_t size) { return cr_passed(malloc(size)); }
void *cr_pass_calloc(size_t count, size_t size) { return cr_passed(calloc(count, size)); }

void *cr_pass_realloc(void *block, size_t size)
{
    void *placed;
    if (CR_UNLIKELY(cr_may_be_placed(block)) && cr_hooks_resize_unseen(block, size, &placed))
        return placed;
    cr_block_passed((uintptr_t)block, false);
    return cr_passed(realloc(block, size));
}

void cr_pass_free(void *block)
{
    if (CR_UNLIKELY(cr_may_be_placed(block)) && cr_placed_free_unseen(block))
        return;
    cr_block_passed((uintptr_t)block, false);
    free(block);
}

/* ---- macOS's other functions ---- */

/* realloc that frees the block when it fails. */
CR_HOOK(void *, reallocf, (void *block, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread)) {
        void *result = cr_pass_realloc(block, size);
        if (!result && block)
            cr_pass_free(block);
        return result;
    }
    if (!block) {
        block = reallocf(NULL, size);
        CR_FINISH(thread, block, size, CR_KIND_REALLOC);
        return block;
    }
    struct cr_unwind_start start = CR_UNWIND_START();
    void *placed;
    if (CR_UNLIKELY(cr_may_be_placed(block)) &&
        cr_hooks_resize_placed(thread, block, size, "reallocf", &start, &placed)) {
        if (!placed)
            cr_hooks_free_placed(thread, block, "reallocf", NULL, &start);
        cr_leave(thread);
        return placed;
    }
    struct cr_resize resize = {.index = cr_on_resize_begin(thread, block, "reallocf", start.pc), .block = block};
    if (CR_UNLIKELY(!resize.index) && !cr_hooks_may_resize(thread, block, "reallocf", start.pc))
        return NULL;
    resize.result = reallocf(block, size);
    int saved = errno;
    resize.size = resize.result ? size : 0; /* nothing of no size: the recorder's word for a block that is gone */
    resize.tag = cr_hooks_tag(thread, CR_KIND_REALLOC, &start);
    if (CR_UNLIKELY(!resize.result))
        cr_hooks_refused(thread, 1, size, resize.tag, "reallocf", &start);
    cr_on_resize_end(thread, &resize, &start);
    cr_leave(thread);
    errno = saved;
    return resize.result;
}

/* Exit handlers are not told the status. */
CR_HOOK(void, exit, (int status))
{
    cr_os_exit_status = status;
    exit(status);
}

/* pthread_create is left alone here. */
bool cr_os_is_lent_stack(const void *stack)
{
    (void)stack;
    return false;
}
