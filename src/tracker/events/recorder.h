/* recorder.h - what happens to the heap. The only place that updates the state: hooks translate calls into these events.
 *
 * All are called by a thread that has entered (state/thread.h). None calls the program's allocator. errno may change: hooks
 * restore it. Order matters with other threads: a block is taken out before the real free, entered after the real malloc, since
 * another thread may get the same address in between. */
#ifndef CR_EVENTS_RECORDER_H
#define CR_EVENTS_RECORDER_H

#include <stddef.h>

#include "state/thread.h"

/* A block came into being. tag: enum cr_kind, maybe with CR_TAG_RUNTIME. start: the hook's caller; the hook has not returned. */
void cr_on_alloc(struct cr_thread *thread, void *block, size_t size, unsigned tag, const struct cr_unwind_start *start);

/* A live block is about to be freed; caller: the return address of the call, 0: unknown. false: there is none at this address. */
bool cr_on_free(struct cr_thread *thread, void *block, uintptr_t caller);

/* The same for operator delete. tag: the kind of blocks it is for, and CR_TAG_ALIGNED if it says an alignment; size: what it says of
 * the size, or CR_UNSAID. */
#define CR_UNSAID SIZE_MAX
bool cr_on_delete(struct cr_thread *thread, void *block, unsigned tag, size_t size, size_t align, uintptr_t caller);

/* Before cr_on_free: what the call says of the block; align 0: nothing of its alignment. Reports if it is wrong. */
void cr_on_sized_free(struct cr_thread *thread, void *block, size_t size, size_t align, const char *function,
                      uintptr_t caller);

/* What cr_on_free does not know, or NULL, is about to be freed. Counted, and true; or it is positively wrong: reported, and false: the call
 * must not be made. judged: the function that is called, for the report; NULL: nothing is wrong. */
bool cr_on_unknown(struct cr_thread *thread, void *block, const char *judged);

/* realloc of a block, in two steps around the real call. The first returns a record index (0: block unknown; whether
 * that is wrong tells cr_wrong_free). */
uint32_t cr_on_resize_begin(struct cr_thread *thread, void *block, const char *function, uintptr_t caller);
/* result NULL: the real call failed and the old block lives on. */
struct cr_resize {
    uint32_t index; /* from cr_on_resize_begin */
    void *block, *result;
    size_t size;
    unsigned tag;
};
void cr_on_resize_end(struct cr_thread *thread, const struct cr_resize *resize, const struct cr_unwind_start *start);

/* The whole call stack at start, usually a hook's caller, as an item of NODES whose own frame is the innermost; 0 if there is no
 * memory. Walks and looks up every time: for what is rare. */
uint32_t cr_stack_here(struct cr_thread *thread, const struct cr_unwind_start *start);
/* The same by the thread's memory of recent stacks, as an item of SITES, for calls that are as frequent as allocations. */
uint32_t cr_site_here(struct cr_thread *thread, const struct cr_unwind_start *start);
/* The same of the instruction that a signal interrupted, itself the innermost frame. */
struct cr_os_registers;
uint32_t cr_stack_of_registers(struct cr_thread *thread, const struct cr_os_registers *registers);
/* The same of the call that made a block, from what its record has; 0: unknown. */
uint32_t cr_stack_of_site(uint32_t site);

#endif
