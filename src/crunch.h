/* crunch.h - what a program can tell crunch, and ask it. For C and C++.
 *
 * Without crunch every function does nothing and returns 0: nothing is linked, the functions are looked for when first called.
 * May be called from any thread, not from signal handlers. docs/crunch-h.md has an example. */
#ifndef CRUNCH_H
#define CRUNCH_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__APPLE__)

#include <dlfcn.h>
/* A symbol that is to be found only by who has it would need an option of the linker's. ~0: looked for, and not there. */
#define CRUNCH_CALL_(result, name, types, arguments)                                                                   \
    static size_t found;                                                                                               \
    size_t function = __atomic_load_n(&found, __ATOMIC_RELAXED);                                                       \
    if (!function) {                                                                                                   \
        function = (size_t)dlsym(RTLD_DEFAULT, #name);                                                                 \
        __atomic_store_n(&found, function ? function : ~(size_t)0, __ATOMIC_RELAXED);                                  \
    }                                                                                                                  \
    return function && ~function ? ((result(*) types)function)arguments : (result)0

#else

int crunch_tracker_ignore(const void *block) __attribute__((weak));
int crunch_tracker_root(const void *start, size_t bytes) __attribute__((weak));
size_t crunch_tracker_leak_check(void) __attribute__((weak));
size_t crunch_tracker_check(void) __attribute__((weak));
int crunch_tracker_snapshot(const char *name) __attribute__((weak));
int crunch_tracker_section(const char *name) __attribute__((weak));
#define CRUNCH_CALL_(result, name, types, arguments) return name ? name arguments : (result)0

#endif

/* A block that is not to be called lost, whoever points at it, nor what it leads to: one that is kept on purpose, or whose address the program hides.
 * Holds until the block is freed. 1; 0: without crunch, or when more than 16,384 blocks are. */
static inline int crunch_ignore(const void *block)
{
    CRUNCH_CALL_(int, crunch_tracker_ignore, (const void *), (block));
}

/* Memory whose words hold blocks, where crunch would not look: shared or device memory that is readable, say. bytes 0: it is a root no more. 1; 0: without crunch, or
 * when there are more than 4,096. */
static inline int crunch_root(const void *start, size_t bytes)
{
    CRUNCH_CALL_(int, crunch_tracker_root, (const void *, size_t), (start, bytes));
}

/* Bytes that are lost now, definitely or indirectly (docs/leaks.md). Stops all other threads meanwhile. 0 without crunch. */
static inline size_t crunch_leak_check(void) { CRUNCH_CALL_(size_t, crunch_tracker_leak_check, (void), ()); }

/* Looks at all blocks now, live and freed ones, for writes that went wrong (docs/check.md), which are reported, and returns how many errors that adds. 0 without
 * crunch, or without --check and --guard. */
static inline size_t crunch_check(void) { CRUNCH_CALL_(size_t, crunch_tracker_check, (void), ()); }

/* A snapshot of the heap now, by a name (may be NULL): a run folder of its own (docs/snapshots.md). 1: it is being written. 0 without crunch. */
static inline int crunch_snapshot(const char *name)
{
    CRUNCH_CALL_(int, crunch_tracker_snapshot, (const char *), (name));
}

/* Names what the calling thread allocates from now on: reports show `[section: name]` outside of its call stacks. Until the next call; NULL: it has no name any
 * more. 1; 0: without crunch, or it is one of more than 1,000 names or longer than 200 bytes, and counted as `[section: other]`. */
static inline int crunch_section(const char *name)
{
    CRUNCH_CALL_(int, crunch_tracker_section, (const char *), (name));
}

#ifdef __cplusplus
}
#endif
#endif
