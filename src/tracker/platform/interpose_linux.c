/* interpose_linux.c - the real functions by dlsym, and the hooks that only Linux has: glibc's extra allocation functions and
 * operator new and delete.
 *
 * operator new only marks the kind of the malloc it is about to make and calls the next definition, so that exceptions and
 * new-handlers stay the library's. It is not "inside" meanwhile. */
#include "platform/interpose.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "entry/hooks.h"
#include "entry/placed.h"
#include "events/recorder.h"
#include "services/recording.h"

/* ---- the real functions ---- */

/* What is asked for before the real malloc is known: dlsym itself may allocate. Never freed; each block has its size in front. */
#define EARLY_BYTES (64 * 1024)
static struct {
    _Alignas(16) char bytes[EARLY_BYTES];
    size_t used;
} early;

bool cr_is_early(const void *block) { return (uintptr_t)block - (uintptr_t)early.bytes < sizeof early.bytes; }

static void *early_alloc(size_t size)
{
    size_t needed = ((size + 15) & ~(size_t)15) + 16;
    if (size > EARLY_BYTES || needed > EARLY_BYTES - early.used) {
        errno = ENOMEM;
        return NULL;
    }
    char *block = early.bytes + early.used + 16;
    memcpy(block - 16, &size, sizeof size);
    early.used += needed;
    return block;
}

static size_t early_size(const void *block)
{
    size_t size;
    memcpy(&size, (const char *)block - 16, sizeof size);
    return size;
}

void cr_real_find(void)
{
    static bool finding;
    if (cr_real.found || finding)
        return;
    finding = true;
    struct cr_real real;
#define FIND_BOTH(name) *(void **)(void *)&real.name = cr_os_next_function(#name, NULL);
#define FIND_LINUX(name) FIND_BOTH(name)
#define FIND_DARWIN(name)
#define FIND(system, type, name, parameters) FIND_##system(name)
    CR_HOOK_LIST(FIND)
    real.found = true;
    cr_real = real;
    finding = false;
}

uintptr_t cr_real_malloc(void) { return (uintptr_t)cr_real.malloc; }
bool cr_real_is_the_systems(void) { return cr_os_is_runtime((const void *)(uintptr_t)cr_real.malloc); }

/* An operator new that is not the C++ library's may have blocks of its own, beside malloc's. */
size_t cr_real_least_apart(void)
{
    const uintptr_t news[] = {(uintptr_t)cr_real._Znwm, (uintptr_t)cr_real._Znam,
                              (uintptr_t)cr_real._ZnwmSt11align_val_t, (uintptr_t)cr_real._ZnamSt11align_val_t};
    bool all = cr_real_is_the_systems();
    for (size_t i = 0; i < sizeof news / sizeof *news; i++)
        all = all && (!news[i] || cr_os_is_runtime((const void *)news[i]));
    return all ? cr_os_least_apart : 16;
}

void *cr_pass_malloc(size_t size) { return CR_REAL(malloc) ? cr_passed(CR_CALL(malloc)(size)) : early_alloc(size); }

void *cr_pass_calloc(size_t count, size_t size)
{
    if (CR_REAL(calloc))
        return cr_passed(CR_CALL(calloc)(count, size));
    size_t bytes;
    return __builtin_mul_overflow(count, size, &bytes) ? NULL : early_alloc(bytes); /* never used before: zeroed */
}

void *cr_pass_realloc(void *block, size_t size)
{
    void *placed;
    if (CR_UNLIKELY(cr_may_be_placed(block)) && cr_hooks_resize_unseen(block, size, &placed))
        return placed;
    if (!cr_is_early(block)) {
        cr_block_passed((uintptr_t)block, false);
        return CR_REAL(realloc) ? cr_passed(CR_CALL(realloc)(block, size)) : early_alloc(size);
    }
    void *result = cr_pass_malloc(size);
    size_t old_size = early_size(block);
    return result ? memcpy(result, block, old_size < size ? old_size : size) : NULL;
}

void cr_pass_free(void *block)
{
    if (CR_UNLIKELY(cr_may_be_placed(block)) && cr_placed_free_unseen(block))
        return;
    if (cr_is_early(block) || !CR_REAL(free))
        return;
    cr_block_passed((uintptr_t)block, false);
    CR_CALL(free)(block);
}

/* Nothing in glibc goes past the hooks. */
void cr_hooks_placed_start(void) {}

/* ---- glibc's and C23's other functions ---- */

CR_HOOK(void *, reallocarray, (void *block, size_t count, size_t size))
{
    size_t bytes;
    struct cr_unwind_start start = CR_UNWIND_START();
    if (CR_LIKELY(!__builtin_mul_overflow(count, size, &bytes)))
        return cr_hooks_resize(block, bytes, __func__, &start);
    struct cr_thread *thread = cr_hook_enter();
    if (thread) {
        cr_hooks_refused(thread, count, size, CR_KIND_REALLOC, __func__, &start);
        cr_leave(thread);
    }
    errno = ENOMEM;
    return NULL;
}

CR_HOOK(void *, memalign, (size_t align, size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread))
        return cr_passed(CR_REAL(memalign)(align, size));
    if (cr_hooks_is_align(align))
        CR_PLACE(thread, size, align, CR_KIND_ALIGNED);
    void *block = CR_CALL(memalign)(align, size);
    CR_FINISH(thread, block, size, CR_KIND_ALIGNED);
    return block;
}

CR_HOOK(void *, pvalloc, (size_t size))
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread))
        return cr_passed(CR_REAL(pvalloc)(size));
    size_t page = cr_os_page_bytes(), whole = (size + page - 1) & ~(page - 1);
    if (whole >= size) /* the rest of its last page is the program's */
        CR_PLACE(thread, whole, page, CR_KIND_ALIGNED);
    void *block = CR_CALL(pvalloc)(size);
    CR_FINISH(thread, block, size, CR_KIND_ALIGNED);
    return block;
}

CR_HOOK(size_t, malloc_usable_size, (void *block))
{
    if (CR_UNLIKELY(cr_may_be_placed(block))) {
        struct cr_placed_block placed;
        if (!cr_placed_may_ask(block))
            return 0;
        if (cr_placed_find(block, &placed))
            return placed.size;
    }
    return cr_is_early(block) ? early_size(block) : CR_REAL(malloc_usable_size)(block);
}

CR_HOOK(void, cfree, (void *block)) { free(block); }

/* The names under which glibc's own functions can be called past malloc and free. */
CR_HOOK(void *, __libc_malloc, (size_t size)) { return malloc(size); }
CR_HOOK(void *, __libc_calloc, (size_t count, size_t size)) { return calloc(count, size); }
CR_HOOK(void *, __libc_realloc, (void *block, size_t size)) { return realloc(block, size); }
CR_HOOK(void *, __libc_memalign, (size_t align, size_t size)) { return memalign(align, size); }
CR_HOOK(void *, __libc_valloc, (size_t size)) { return valloc(size); }
CR_HOOK(void *, __libc_pvalloc, (size_t size)) { return pvalloc(size); }
CR_HOOK(void, __libc_free, (void *block)) { free(block); }

/* glibc may not have them yet: then free does the same. */
static void free_sized_at(void *block, size_t size, size_t align, const char *function, uintptr_t caller)
{
    struct cr_thread *thread = cr_hook_enter();
    if (CR_UNLIKELY(!thread)) {
        cr_pass_free(block);
        return;
    }
    cr_on_sized_free(thread, block, size, align, function, caller);
    if (CR_UNLIKELY(cr_may_be_placed(block))) {
        struct cr_unwind_start start = CR_UNWIND_START();
        if (cr_hooks_free_placed(thread, block, function, NULL, &start))
            block = NULL;
    }
    if (CR_LIKELY(cr_on_free(thread, block, caller)))
        CR_CALL(free)(block);
    else if (cr_hooks_may_free(thread, block, function, caller))
        cr_pass_free(block);
    cr_leave(thread);
}

CR_HOOK(void, free_sized, (void *block, size_t size)) { free_sized_at(block, size, 0, __func__, CR_CALLER()); }

CR_HOOK(void, free_aligned_sized, (void *block, size_t align, size_t size))
{
    free_sized_at(block, size, align, __func__, CR_CALLER());
}

/* ---- processes ---- */

CR_HOOK(int, execvpe, (const char *file, char *const argv[], char *const envp[]))
{
    CR_EXEC(CR_REAL(execvpe)(file, argv, envp));
}

CR_HOOK(int, fexecve, (int fd, char *const argv[], char *const envp[])) { CR_EXEC(CR_REAL(fexecve)(fd, argv, envp)); }

CR_HOOK(int, execveat, (int folder, const char *path, char *const argv[], char *const envp[], int flags))
{
    if (!CR_REAL(execveat)) {
        errno = ENOSYS;
        return -1;
    }
    CR_EXEC(CR_CALL(execveat)(folder, path, argv, envp, flags));
}

CR_HOOK(void, quick_exit, (int status))
{
    cr_os_exit_status = status;
    CR_REAL(quick_exit)(status);
    __builtin_unreachable();
}

CR_HOOK(pid_t, _Fork, (void))
{
    if (!CR_REAL(_Fork)) {
        errno = ENOSYS;
        return -1;
    }
    cr_lifecycle_forks();
    pid_t pid = CR_CALL(_Fork)();
    if (pid == 0)
        cr_lifecycle_forked();
    return pid;
}

/* ---- threads ---- */

CR_HOOK(int, pthread_getattr_np, (pthread_t thread, pthread_attr_t *attributes))
{
    struct cr_thread *self = cr_hook_enter(); /* so that the thread is known before the real one asks for memory */
    if (self)
        cr_leave(self);
    return CR_REAL(pthread_getattr_np)(thread, attributes);
}

/* ---- operator new ---- */

/* The thread's state while it may be marked, else NULL. */
static struct cr_thread *markable(void)
{
    struct cr_thread *thread = cr_tls_get();
    return (uintptr_t)thread > CR_THREAD_BUSY && !thread->inside ? thread : NULL;
}

/* A C++ plug-in of a C program brings its runtime along: found only when it first calls. The runtime's functions jump to one
 * another, and the return address is our own then: so they are asked for from the one that was found first. */
static CR_COLD void *find_late(void **real, const char *name, const void *caller)
{
    static const void *volatile runtime;
    struct cr_thread *thread = markable();
    uint8_t kind = thread ? thread->kind : CR_KIND_MALLOC;
    if (thread)
        thread->kind = CR_KIND_MALLOC; /* the look-up allocates, and that is not what new[] has marked */
    *real = cr_os_next_function(name, runtime ? runtime : caller);
    if (thread)
        thread->kind = kind;
    if (*real && !runtime)
        runtime = *real;
    return *real;
}

#define FOUND(name) (CR_REAL(name) || find_late((void **)(void *)&cr_real.name, #name, __builtin_return_address(0)))

/* The mark is still there: the allocator got the memory past the hooks (its own operator new, as jemalloc has). */
static void unmark(struct cr_thread *thread, void *block, size_t size)
{
    if (CR_LIKELY(thread->kind == CR_KIND_MALLOC))
        return;
    struct cr_thread *entered = cr_hook_enter();
    if (entered &&
        cr_block_is_crowded((uintptr_t)block)) { /* of a library loaded later: cr_real_least_apart did not know it */
        cr_recording_say("an operator new has blocks too close together to be told apart: some are not recorded", "",
                         0);
        cr_leave(entered);
    } else if (entered)
        CR_FINISH(entered, block, size, CR_KIND_NEW);
    thread->kind = CR_KIND_MALLOC;
}

#define NEW(name, kind_, parameters, arguments)                                                                        \
    CR_HOOK(void *, name, parameters)                                                                                  \
    {                                                                                                                  \
        if (CR_UNLIKELY(!FOUND(name)))                                                                                 \
            return malloc(size); /* no C++ runtime anywhere: whoever calls this cannot expect exceptions */            \
        struct cr_thread *thread = markable();                                                                         \
        if (CR_LIKELY(thread != NULL && thread->kind == CR_KIND_MALLOC)) { /* else new[] has called new */             \
            thread->kind = kind_;                                                                                      \
            thread->new_start = CR_UNWIND_START();                                                                     \
        }                                                                                                              \
        void *block = CR_CALL(name) arguments;                                                                         \
        if (CR_LIKELY(thread != NULL))                                                                                 \
            unmark(thread, block, size);                                                                               \
        return block;                                                                                                  \
    }

#define SIZE size_t size
#define ALIGN size_t align
#define NOTHROW const void *nothrow

NEW(_Znwm, CR_KIND_NEW, (SIZE), (size))
NEW(_Znam, CR_KIND_NEW_ARRAY, (SIZE), (size))
NEW(_ZnwmRKSt9nothrow_t, CR_KIND_NEW, (SIZE, NOTHROW), (size, nothrow))
NEW(_ZnamRKSt9nothrow_t, CR_KIND_NEW_ARRAY, (SIZE, NOTHROW), (size, nothrow))
NEW(_ZnwmSt11align_val_t, CR_KIND_NEW | CR_TAG_ALIGNED, (SIZE, ALIGN), (size, align))
NEW(_ZnamSt11align_val_t, CR_KIND_NEW_ARRAY | CR_TAG_ALIGNED, (SIZE, ALIGN), (size, align))
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, CR_KIND_NEW | CR_TAG_ALIGNED, (SIZE, ALIGN, NOTHROW), (size, align, nothrow))
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, CR_KIND_NEW_ARRAY | CR_TAG_ALIGNED, (SIZE, ALIGN, NOTHROW),
    (size, align, nothrow))

/* ---- operator delete ---- */

/* A known block is told to the recorder here and the real delete runs "inside": whichever free it ends in, it is counted once. An
 * unknown one may be the inner part of a block of the program's own operator new, whose free will be seen, and judged, under the
 * operator's name. */
#define DELETE(name, tag, said_size, said_align, parameters, arguments)                                                \
    CR_HOOK(void, name, parameters)                                                                                    \
    {                                                                                                                  \
        if (CR_UNLIKELY(!FOUND(name))) {                                                                               \
            free(block);                                                                                               \
            return;                                                                                                    \
        }                                                                                                              \
        struct cr_thread *thread = block ? cr_hook_enter() : NULL;                                                     \
        struct cr_thread *named = NULL;                                                                                \
        if (thread && CR_UNLIKELY(cr_may_be_placed(block))) {                                                          \
            struct cr_unwind_start start = CR_UNWIND_START();                                                          \
            struct cr_delete how = {tag, said_size, said_align, start.pc};                                             \
            if (cr_hooks_free_placed(thread, block, cr_delete_name(tag), &how, &start)) {                              \
                cr_leave(thread);                                                                                      \
                return;                                                                                                \
            }                                                                                                          \
        }                                                                                                              \
        if (thread && CR_UNLIKELY(!cr_on_delete(thread, block, tag, said_size, said_align, CR_CALLER()))) {            \
            named = name_frees(thread, tag);                                                                           \
            cr_leave(thread);                                                                                          \
            thread = NULL;                                                                                             \
        }                                                                                                              \
        CR_CALL(name) arguments;                                                                                       \
        if (CR_LIKELY(thread != NULL))                                                                                 \
            cr_leave(thread);                                                                                          \
        if (CR_UNLIKELY(named != NULL))                                                                                \
            named->function = NULL;                                                                                    \
    }

/* What the thread frees from now on is freed by an operator. NULL: the state is only borrowed, and cannot hold that. */
static CR_COLD struct cr_thread *name_frees(struct cr_thread *thread, unsigned tag)
{
    if (thread->after & CR_AFTER_GIVE_BACK)
        return NULL;
    thread->function = cr_delete_name(tag);
    return thread;
}

#define ONE CR_KIND_NEW
#define MANY CR_KIND_NEW_ARRAY

DELETE(_ZdlPv, ONE, CR_UNSAID, 0, (void *block), (block))
DELETE(_ZdaPv, MANY, CR_UNSAID, 0, (void *block), (block))
DELETE(_ZdlPvRKSt9nothrow_t, ONE, CR_UNSAID, 0, (void *block, NOTHROW), (block, nothrow))
DELETE(_ZdaPvRKSt9nothrow_t, MANY, CR_UNSAID, 0, (void *block, NOTHROW), (block, nothrow))
DELETE(_ZdlPvm, ONE, size, 0, (void *block, SIZE), (block, size))
DELETE(_ZdaPvm, MANY, size, 0, (void *block, SIZE), (block, size))
#undef ONE
#undef MANY
#define ONE CR_KIND_NEW | CR_TAG_ALIGNED
#define MANY CR_KIND_NEW_ARRAY | CR_TAG_ALIGNED
DELETE(_ZdlPvSt11align_val_t, ONE, CR_UNSAID, align, (void *block, ALIGN), (block, align))
DELETE(_ZdaPvSt11align_val_t, MANY, CR_UNSAID, align, (void *block, ALIGN), (block, align))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, ONE, CR_UNSAID, align, (void *block, ALIGN, NOTHROW),
       (block, align, nothrow))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, MANY, CR_UNSAID, align, (void *block, ALIGN, NOTHROW),
       (block, align, nothrow))
DELETE(_ZdlPvmSt11align_val_t, ONE, size, align, (void *block, SIZE, ALIGN), (block, size, align))
DELETE(_ZdaPvmSt11align_val_t, MANY, size, align, (void *block, SIZE, ALIGN), (block, size, align))
