/* recorder.c - see recorder.h. */
#include "events/recorder.h"

#include <errno.h>
#include <string.h>

#include "events/wrong_free.h"
#include "platform/platform.h"
#include "services/recording.h"
#include "state/call_tree.h"
#include "state/modules.h"
#include "state/histograms.h"
#include "state/sites.h"
#include "state/timeline.h"
#include "base/counter.h"
#include "base/banned.h"

static CR_COLD void stop(void)
{
    atomic_store(&cr_active, false);
    cr_recording->flags |= CR_RUN_STOPPED;
    cr_recording_say("no memory to keep track of more blocks: tracking stopped", "", 0);
}

/* ---- where ---- */

/* The call-tree node of the outermost `count` frames, of which the first `same` are those of the last stack. */
static uint32_t follow(struct cr_trail *trail, const uintptr_t *address, uint32_t base, uint32_t count, uint32_t same)
{
    if (CR_UNLIKELY(base != trail->base)) {
        trail->base = base;
        trail->length = 0;
    }
    uint32_t known = trail->length < count ? trail->length : count;
    uint32_t i = same < known ? same : known;
    while (i < known && trail->address[i] == address[i])
        i++;
    uint32_t node = i ? trail->node[i - 1] : base;
    uint32_t path = i ? trail->path[i - 1] : cr_tree_path_of(base);
    for (uint32_t next = i; next < count; next++) {
        path = trail->path[next] = cr_tree_path(path, address[next]);
        cr_tree_prefetch(path);
    }
    if (i == count)
        return node;
    cr_tree_chain(node, address + i, trail->path + i, trail->node + i, count - i);
    memcpy(trail->address + i, address + i, (count - i) * sizeof *address);
    trail->length = count;
    return trail->node[count - 1];
}

static uint32_t base_of(const struct cr_unwind_stack *stack)
{
    return stack->truncated ? CR_UNWIND_TOO_DEEP : (uint32_t)stack->end;
}

/* What a site of the thread hangs under, where its stack ends at `base`: its section comes in between. */
static uint32_t in_section(const struct cr_thread *thread, uint32_t base)
{
    uint32_t section = CR_UNLIKELY(thread->section != 0) ? cr_tree_child(base, thread->section) : 0;
    return section ? section : base;
}

/* The site of a stack that is not among the thread's recent ones. */
static __attribute__((noinline)) uint32_t locate_anew(struct cr_thread *thread, const struct cr_unwind_start *start)
{
    struct cr_unwind_state *state = thread->unwind;
    struct cr_unwind_stack stack = cr_unwind_capture(state, start);
    if (CR_UNLIKELY(!stack.frames))
        return cr_site_find(&thread->leaves, thread->slot_item, in_section(thread, CR_UNWIND_BUSY), start->pc);
    uint32_t leaf = stack.frames - 1, same = stack.frames - stack.fresh;
    uint32_t parent = follow(&thread->trail, state->pc, in_section(thread, base_of(&stack)), leaf, same);
    uint32_t site = cr_site_find(&thread->leaves, thread->slot_item, parent, state->pc[leaf]);
    cr_memo_keep(thread->memo, state, start, site);
    return site;
}

/* After a module was unloaded what is remembered by address may be of another one's. */
CR_HOT void forget_gone(struct cr_thread *thread)
{
    uint32_t generation = CR_LOAD(cr_modules_generation);
    if (CR_UNLIKELY(thread->trail.generation != generation)) {
        thread->trail.generation = generation;
        thread->trail.length = 0;
        cr_memo_void(thread->memo);
    }
}

/* The site of the hook's caller. 0: no memory for it, the block goes without. */
CR_HOT uint32_t locate(struct cr_thread *thread, const struct cr_unwind_start *start)
{
    forget_gone(thread);
    uint32_t site = cr_memo_find(thread->memo, start);
    return CR_LIKELY(site != 0) ? site : locate_anew(thread, start);
}

uint32_t cr_stack_here(struct cr_thread *thread, const struct cr_unwind_start *start)
{
    struct cr_unwind_state *state = thread->unwind;
    forget_gone(thread);
    struct cr_unwind_stack stack = cr_unwind_capture(state, start);
    if (!stack.frames)
        return cr_tree_child(CR_UNWIND_BUSY, start->pc);
    return follow(&thread->trail, state->pc, base_of(&stack), stack.frames, stack.frames - stack.fresh);
}

uint32_t cr_stack_of_registers(struct cr_thread *thread, const struct cr_os_registers *registers)
{
    struct cr_unwind_state *state = thread->unwind;
    forget_gone(thread);
    struct cr_unwind_stack stack = cr_unwind_capture_registers(state, registers);
    if (!stack.frames)
        return cr_tree_child(CR_UNWIND_BUSY, registers->pc + 1);
    return follow(&thread->trail, state->pc, base_of(&stack), stack.frames, stack.frames - stack.fresh);
}

uint32_t cr_site_here(struct cr_thread *thread, const struct cr_unwind_start *start) { return locate(thread, start); }

uint32_t cr_stack_of_site(uint32_t site)
{
    return site ? cr_tree_child(cr_site(site)->parent, (uintptr_t)cr_site(site)->address) : 0;
}

/* ---- counting ---- */

CR_HOT void count_birth(struct cr_thread *thread, uint32_t site, size_t size)
{
    struct cr_slot *slot = thread->slot;
    cr_site_birth(site, size);
    uint64_t allocated = CR_LOAD(slot->bytes_allocated) + size;
    CR_STORE(slot->bytes_allocated, allocated);
    int64_t live = (int64_t)(allocated - CR_LOAD(slot->bytes_freed));
    if (CR_UNLIKELY(live > CR_LOAD(slot->high_bytes))) {
        CR_STORE(slot->high_bytes, live);
        CR_STORE(slot->high_blocks, (int64_t)(CR_LOAD(slot->allocations) - CR_LOAD(slot->frees)));
        if (CR_UNLIKELY(cr_recording_rise(slot)))
            thread->after |= CR_AFTER_SNAPSHOT;
        cr_timeline_early(slot);
    }
}

/* After the thread's live bytes may have fallen. */
CR_HOT void count_fall(struct cr_slot *slot)
{
    int64_t live = (int64_t)(CR_LOAD(slot->bytes_allocated) - CR_LOAD(slot->bytes_freed));
    if (CR_UNLIKELY(live < CR_LOAD(slot->low_bytes))) {
        CR_STORE(slot->low_bytes, live);
        cr_recording_fall(slot);
        cr_timeline_early(slot);
    }
}

/* A block ends: freed, or made anew by realloc. */
CR_HOT void count_death(struct cr_thread *thread, const struct cr_record *record, uint32_t index, uint64_t now)
{
    struct cr_slot *slot = thread->slot;
    size_t size = cr_record_size(record);
    bool own = record->thread == thread->number;
    bool temporary = thread->last_record == index && own; /* else another's, in a record used again */
    uint32_t site = cr_site_own(&thread->leaves, thread->slot_item, record->node), age = cr_record_age(record, now);
    cr_site_death(site, size, age, temporary);
    if (!temporary || cr_histogram_wants(site, size, age))
        cr_histogram_death(site, size, age,
                           own && !temporary ? (uint32_t)CR_LOAD(slot->allocations) - record->count : CR_APART_UNKNOWN);
    CR_ADD(slot->bytes_freed, size);
}

/* A block is gone for good. */
CR_HOT void bury(struct cr_thread *thread, struct cr_record *record, uint32_t index)
{
    struct cr_slot *slot = thread->slot;
    uint64_t now = cr_os_coarse_ns();
    cr_timeline_look(slot, now);
    CR_ADD(slot->frees, 1);
    count_death(thread, record, index, now);
    count_fall(slot);
    cr_record_drop(&thread->spares, record, index);
}

static __attribute__((noinline)) void bury_lost(struct cr_thread *thread, uint32_t index)
{
    bury(thread, cr_record(index), index);
}

/* Enters a block at an address under a record whose remaining fields are filled. */
CR_HOT bool enter(struct cr_thread *thread, struct cr_record *record, uint32_t index, void *block, uint64_t size_tag)
{
    _Atomic uint32_t *slot = cr_block_slot((uintptr_t)block, true);
    if (CR_UNLIKELY(!slot))
        return false;
    record->size_tag = size_tag;
    uint32_t before = cr_block_publish(slot, (uintptr_t)block, record, index);
    if (CR_UNLIKELY(before)) /* somebody freed it behind crunch's back, and its address has been given out again */
        bury_lost(thread, before);
    return true;
}

/* A record for a block just made by this thread, whose allocations `count` is; its address and size are the caller's to enter.
 * Returns the time. */
CR_HOT uint64_t fill(struct cr_thread *thread, struct cr_record *record, uint32_t index, uint32_t site, uint64_t count)
{
    uint64_t now = cr_os_coarse_ns();
    record->born = (uint32_t)(now >> CR_AGE_SHIFT);
    record->count = (uint32_t)count;
    record->node = site;
    record->thread = thread->number;
    thread->last_record = index;
    return now;
}

void cr_on_alloc(struct cr_thread *thread, void *block, size_t size, unsigned tag, const struct cr_unwind_start *start)
{
    uint32_t index = cr_record_new(&thread->spares);
    if (CR_UNLIKELY(!index)) {
        stop();
        return;
    }
    struct cr_record *record = cr_record(index);
    struct cr_slot *slot = thread->slot;
    uint32_t site = locate(thread, start);
    uint64_t now = fill(thread, record, index, site, CR_LOAD(slot->allocations) + 1);
    cr_timeline_look(slot, now);
    if (CR_UNLIKELY(!enter(thread, record, index, block, cr_record_sized(size, 0, tag)))) {
        cr_record_drop(&thread->spares, record, index);
        if (!((uintptr_t)block & 7)) /* else of an operator new that aligns to less: such addresses are no blocks */
            stop();
        return;
    }
    CR_ADD(slot->allocations, 1);
    count_birth(thread, site, size);
}

/* ---- ends ---- */

#define NOT_MALLOCS (CR_KIND_NEW & CR_KIND_NEW_ARRAY) /* a bit of the kinds that free and realloc may not be for */

/* For whoever frees the address again. */
CR_HOT void remember(struct cr_thread *thread, const struct cr_record *record, void *block, uintptr_t caller)
{
    cr_freed_add(thread->freed, (uintptr_t)block, record, thread->freed_by | caller);
}

bool cr_on_free(struct cr_thread *thread, void *block, uintptr_t caller)
{
    uint32_t index = cr_block_take((uintptr_t)block, thread->freed_mark);
    if (CR_UNLIKELY(!index))
        return false;
    struct cr_record *record = cr_record(index);
    if (CR_UNLIKELY(record->size_tag & NOT_MALLOCS))
        cr_wrong_pair(thread, record, "free", caller);
    remember(thread, record, block, caller);
    bury(thread, record, index);
    return true;
}

bool cr_on_delete(struct cr_thread *thread, void *block, unsigned tag, size_t size, size_t align, uintptr_t caller)
{
    uint32_t index = cr_block_take((uintptr_t)block, thread->freed_mark);
    if (CR_UNLIKELY(!index))
        return false;
    struct cr_record *record = cr_record(index);
    if (CR_UNLIKELY(((cr_record_tag(record) ^ tag) & (CR_TAG_KIND | CR_TAG_ALIGNED)) || align ||
                    (size != CR_UNSAID && size != cr_record_size(record))))
        cr_wrong_delete(thread, record, &(struct cr_delete){tag, size, align, caller});
    remember(thread, record, block, caller);
    bury(thread, record, index);
    return true;
}

void cr_on_sized_free(struct cr_thread *thread, void *block, size_t size, size_t align, const char *function,
                      uintptr_t caller)
{
    uint32_t index = cr_block_peek((uintptr_t)block);
    if (index)
        cr_wrong_sized_free(thread, cr_record(index), &(struct cr_delete){CR_KIND_MALLOC, size, align, caller},
                            function);
}

bool cr_on_unknown(struct cr_thread *thread, void *block, const char *judged)
{
    if (!block)
        return true;
    if (judged && cr_wrong_free(thread, block, judged))
        return false;
    CR_ADD(thread->slot->untracked_frees, 1);
    return true;
}

uint32_t cr_on_resize_begin(struct cr_thread *thread, void *block, const char *function, uintptr_t caller)
{
    uint32_t index = cr_block_take((uintptr_t)block, thread->freed_mark);
    if (CR_UNLIKELY(index && cr_record(index)->size_tag & NOT_MALLOCS))
        cr_wrong_pair(thread, cr_record(index), function, caller);
    return index;
}

/* The allocator took the old block although it gave no new one: realloc(p, 0) in glibc. */
static void freed_by_resize(struct cr_thread *thread, uint32_t index, void *block, uintptr_t caller)
{
    if (!index) {
        CR_ADD(thread->slot->untracked_frees, 1);
        return;
    }
    struct cr_record *record = cr_record(index);
    remember(thread, record, block, caller);
    bury(thread, record, index);
}

/* realloc of a known block has made another of it. For the lowest point of the thread's live bytes that is one event. */
static void replace(struct cr_thread *thread, const struct cr_resize *resize, const struct cr_unwind_start *start)
{
    struct cr_record *record = cr_record(resize->index);
    uint64_t was = cr_record_size(record);
    unsigned tag = resize->tag, growth = cr_record_growth(record) + (resize->size > was);
    growth = growth > CR_GROWTH_MOST ? CR_GROWTH_MOST : growth;
    if ((cr_record_tag(record) & CR_TAG_KIND) == CR_KIND_ZONE) /* whichever function moves it, it stays in its zone */
        tag = (tag & ~(unsigned)CR_TAG_KIND) | CR_KIND_ZONE;
    struct cr_slot *slot = thread->slot;
    uint64_t now = cr_os_coarse_ns();
    cr_timeline_look(slot, now);
    CR_ADD(slot->reallocations, 1);
    if (resize->result != resize->block)
        remember(thread, record, resize->block, start->pc);
    count_death(thread, record, resize->index, now);
    uint32_t site = locate(thread, start);
    fill(thread, record, resize->index, site, CR_LOAD(slot->allocations));
    if (!enter(thread, record, resize->index, resize->result, cr_record_sized(resize->size, growth, tag)))
        stop();
    count_birth(thread, site, resize->size);
    count_fall(slot);
    cr_histogram_resize(site, was, resize->size, resize->result != resize->block, growth);
}

void cr_on_resize_end(struct cr_thread *thread, const struct cr_resize *resize, const struct cr_unwind_start *start)
{
    uint32_t index = resize->index;
    if (!resize->result && !resize->size) {
        freed_by_resize(thread, index, resize->block, start->pc);
        return;
    }
    if (!index) {
        if (resize->result) { /* a block from before crunch's time: from now on it is known */
            CR_ADD(thread->slot->untracked_frees, 1);
            cr_on_alloc(thread, resize->result, resize->size, resize->tag, start);
        }
        return;
    }
    if (!resize->result) {
        struct cr_record *record = cr_record(index);
        enter(thread, record, index, resize->block, record->size_tag);
        return;
    }
    replace(thread, resize, start);
}
