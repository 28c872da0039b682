/* hooks.h - how hooks are written: the list of them as C declarations, and the way to the real functions.
 *
 * Every hook leaves errno, the return value and the allocation rules of C as the real function has them. A hook that gets NULL
 * from cr_enter passes the call on through cr_pass_* (allocation) or CR_REAL (the rest) and does nothing else. */
#ifndef CR_ENTRY_HOOKS_H
#define CR_ENTRY_HOOKS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "base/lock.h"
#include "events/recorder.h"
#include "events/wrong_free.h"
#include "platform/interpose.h" /* CR_HOOK, CR_CALL, CR_IF_LINUX, CR_IF_DARWIN */
#include "state/modules.h"
#include "state/thread.h"

typedef void (*cr_signal_handler)(int);

#include "entry/hook_list.h"

#define CR_HOOK_DECLARATION(system, type, name, parameters) CR_DECLARE_##system(type, name, parameters)
CR_HOOK_LIST(CR_HOOK_DECLARATION)

/* Starts the tracker up if nobody has yet, and enters. */
struct cr_thread *cr_lifecycle_enter_first(void);

/* Enters, as cr_enter does, and starts the tracker up in the process's first hook. NULL: pass the call on. */
static inline struct cr_thread *cr_hook_enter(void)
{
    struct cr_thread *thread = cr_enter();
    return CR_LIKELY(thread != NULL) ? thread : cr_lifecycle_enter_first();
}

/* The real functions; all NULL until cr_real_find has run, some for ever (functions this system does not have). On macOS, where
 * the interposing library's own calls are never interposed, CR_CALL names the function itself and the table is empty. */
#define CR_REAL_MEMBER(system, type, name, parameters) CR_REAL_FIELD_##system(type, name, parameters)
struct cr_real {
    CR_HOOK_LIST(CR_REAL_MEMBER)
    bool found;
};
extern struct cr_real cr_real;

/* Fills cr_real. Reached again from within (dlsym may allocate), it returns at once. */
void cr_real_find(void);

/* Whether malloc is the C library's, all of whose functions are hooked: other allocators may have more. After cr_real_find; may take the
 * loader's lock. */
bool cr_real_is_the_systems(void);
/* How far apart two blocks are at least, by what is known of the allocator; likewise. */
size_t cr_real_least_apart(void);
/* Where the real malloc is. */
uintptr_t cr_real_malloc(void);

/* The real functions, also before they are found: from a small buffer then. What is known of the addresses is forgotten. */
void *cr_pass_malloc(size_t size);
void *cr_pass_calloc(size_t count, size_t size);
void *cr_pass_realloc(void *block, size_t size);
void cr_pass_free(void *block);
/* Whether a block is of that small buffer. */
bool cr_is_early(const void *block);

/* What a real function has just allocated unrecorded. */
static inline void *cr_passed(void *block)
{
    cr_block_passed((uintptr_t)block, true);
    return block;
}

/* The real function of this name, for all that is not malloc. */
#define CR_REAL(name) (cr_real.found ? (void)0 : cr_real_find(), CR_CALL(name))

/* Return addresses in here may be the loader's or, before the tracker's constructor has run, anything's. */
extern struct cr_os_range cr_hooks_suspects;
bool cr_hooks_is_runtime(const void *return_address);

/* The tag of a block that a hook has just got. Takes what operator new said: kind and caller. */
static inline unsigned cr_hooks_tag(struct cr_thread *thread, unsigned default_kind, struct cr_unwind_start *start)
{
    unsigned kind = thread->kind;
    thread->kind = CR_KIND_MALLOC;
    if (kind != CR_KIND_MALLOC) {
        *start = thread->new_start;
        return kind;
    }
    if (CR_UNLIKELY(start->pc - cr_hooks_suspects.base < cr_hooks_suspects.bytes) &&
        cr_hooks_is_runtime((const void *)start->pc))
        return default_kind | CR_TAG_RUNTIME;
    return default_kind;
}

/* What nearly all allocation hooks do after the real call, of `count` times `size` bytes. In the hook itself, whose caller it records. */
#define CR_FINISH_MANY(thread, block, count, size, kind)                                                               \
    do {                                                                                                               \
        struct cr_unwind_start start_ = CR_UNWIND_START();                                                             \
        unsigned tag_ = cr_hooks_tag(thread, kind, &start_);                                                           \
        if (CR_LIKELY((block) != NULL))                                                                                \
            cr_on_alloc(thread, block, (count) * (size), tag_, &start_);                                               \
        else                                                                                                           \
            cr_hooks_refused(thread, count, size, tag_, __func__, &start_);                                            \
        cr_leave(thread);                                                                                              \
    } while (0)
#define CR_FINISH(thread, block, size, kind) CR_FINISH_MANY(thread, block, 1, size, kind)

/* An allocation of the program's failed. Keeps errno. */
CR_COLD void cr_hooks_refused(struct cr_thread *thread, size_t count, size_t size, unsigned tag, const char *function,
                              const struct cr_unwind_start *start);

/* A hook that frees what cr_on_free did not know: whether it is to call the real function. */
CR_COLD bool cr_hooks_may_free(struct cr_thread *thread, void *block, const char *function, uintptr_t caller);
/* The same for one that resizes. false: the thread has left, errno is EINVAL. */
CR_COLD bool cr_hooks_may_resize(struct cr_thread *thread, void *block, const char *function, uintptr_t caller);

/* The hook's caller, where nothing else of its stack is needed. */
#define CR_CALLER() CR_UNWIND_STRIP((uintptr_t)__builtin_return_address(0))

/* The body of realloc and its kin, by this name; start is the hook's caller. */
void *cr_hooks_resize(void *block, size_t size, const char *function, struct cr_unwind_start *start);

/* ---- lifecycle.c, for the hooks ---- */

/* Start-up is complete: from here on only the loader's blocks are the runtime's. */
void cr_hooks_started(void);
/* A process is about to end without exit handlers, or to exec: write the run folder, unless this is a vfork child. */
void cr_lifecycle_ends(int status);
bool cr_lifecycle_execs(void); /* whether it wrote */
/* exec came back, and what was written is not the end. */
void cr_lifecycle_exec_failed(void);
/* The body of an exec hook: the call comes back only if it failed. On macOS execvp ends in the hook of execve, once per folder of
 * PATH: the outermost hook writes, and takes it back. */
#define CR_EXEC(call)                                                                                                  \
    do {                                                                                                               \
        bool wrote_ = cr_lifecycle_execs();                                                                            \
        int result_ = (call);                                                                                          \
        if (wrote_)                                                                                                    \
            cr_lifecycle_exec_failed();                                                                                \
        return result_;                                                                                                \
    } while (0)
/* Around a fork that runs no fork handlers: before it, and in the child. */
void cr_lifecycle_forks(void);
void cr_lifecycle_forked(void);

#endif
