/* recorder.c - see recorder.h. */
#include "events/recorder.h"

#include <errno.h>

#include "platform/platform.h"
#include "services/recording.h"
#include "base/banned.h"

/* Counters have one writer, so a plain load and store is an atomic addition. */
#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define STORE(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)
#define ADD(field, amount) STORE(field, LOAD(field) + (amount))

static CR_COLD void stop(void)
{
    atomic_store(&cr_active, false);
    cr_recording->flags |= CR_RUN_STOPPED;
    cr_recording_say("no memory to keep track of more blocks: tracking stopped", "", 0);
}

static void count_birth(struct cr_slot *slot, size_t size)
{
    uint64_t allocated = LOAD(slot->bytes_allocated) + size;
    STORE(slot->bytes_allocated, allocated);
    int64_t live = (int64_t)(allocated - LOAD(slot->bytes_freed));
    if (CR_UNLIKELY(live > LOAD(slot->high_bytes))) {
        STORE(slot->high_bytes, live);
        STORE(slot->high_blocks, (int64_t)(LOAD(slot->allocations) - LOAD(slot->frees)));
        if (CR_UNLIKELY(live - LOAD(slot->handed_bytes) > LOAD(cr_recording_step)))
            cr_recording_hand_in(slot);
    }
}

static void count_death(struct cr_slot *slot, size_t size)
{
    uint64_t freed = LOAD(slot->bytes_freed) + size;
    STORE(slot->bytes_freed, freed);
    int64_t live = (int64_t)(LOAD(slot->bytes_allocated) - freed);
    if (CR_UNLIKELY(LOAD(slot->handed_bytes) - live > LOAD(cr_recording_step)))
        cr_recording_hand_in(slot);
}

/* A block that somebody freed behind crunch's back: its address has been given out again. */
static CR_COLD void bury(struct cr_thread *thread, uint32_t index)
{
    ADD(thread->slot->frees, 1);
    count_death(thread->slot, cr_record_size(cr_record(index)));
    cr_record_drop(&thread->spares, index);
}

/* Enters a block at an address under a record whose remaining fields are filled. */
static bool enter(struct cr_thread *thread, uint32_t index, void *block, size_t size, unsigned tag)
{
    _Atomic uint32_t *slot = cr_block_slot((uintptr_t)block, true);
    if (CR_UNLIKELY(!slot))
        return false;
    struct cr_record *record = cr_record(index);
    record->size_tag = (uint64_t)size << 8 | tag;
    uint32_t before = cr_block_publish(slot, (uintptr_t)block, index);
    if (CR_UNLIKELY(before))
        bury(thread, before);
    return true;
}

void cr_on_alloc(struct cr_thread *thread, void *block, size_t size, unsigned tag)
{
    uint32_t index = cr_record_new(&thread->spares);
    if (CR_UNLIKELY(!index)) {
        stop();
        return;
    }
    struct cr_record *record = cr_record(index);
    record->time_ns = cr_os_coarse_ns();
    record->node = 0;
    record->thread = thread->number;
    if (CR_UNLIKELY(!enter(thread, index, block, size, tag))) {
        cr_record_drop(&thread->spares, index);
        stop();
        return;
    }
    ADD(thread->slot->allocations, 1);
    count_birth(thread->slot, size);
}

bool cr_on_delete(struct cr_thread *thread, void *block)
{
    uint32_t index = cr_block_take((uintptr_t)block);
    if (CR_UNLIKELY(!index))
        return false;
    ADD(thread->slot->frees, 1);
    count_death(thread->slot, cr_record_size(cr_record(index)));
    cr_record_drop(&thread->spares, index);
    return true;
}

bool cr_on_free(struct cr_thread *thread, void *block)
{
    bool known = cr_on_delete(thread, block);
    if (CR_UNLIKELY(!known) && block)
        ADD(thread->slot->untracked_frees, 1);
    return known;
}

uint32_t cr_on_resize_begin(struct cr_thread *thread, void *block)
{
    (void)thread;
    return cr_block_take((uintptr_t)block);
}

/* The allocator took the old block although it gave no new one: realloc(p, 0) in glibc. */
static void freed_by_resize(struct cr_thread *thread, uint32_t index)
{
    if (index)
        bury(thread, index);
    else
        ADD(thread->slot->untracked_frees, 1);
}

void cr_on_resize_end(struct cr_thread *thread, uint32_t index, void *block, void *result, size_t size, unsigned tag)
{
    struct cr_slot *slot = thread->slot;
    if (!result && !size) {
        freed_by_resize(thread, index);
        return;
    }
    if (!index) {
        if (result) { /* a block from before crunch's time: from now on it is known */
            ADD(slot->untracked_frees, 1);
            cr_on_alloc(thread, result, size, tag);
        }
        return;
    }

    struct cr_record *record = cr_record(index);
    size_t old_size = cr_record_size(record);
    if (!result) {
        enter(thread, index, block, old_size, cr_record_tag(record));
        return;
    }
    if ((cr_record_tag(record) & CR_TAG_KIND) == CR_KIND_ZONE) /* whichever function moves it, it stays in its zone */
        tag = (tag & ~(unsigned)CR_TAG_KIND) | CR_KIND_ZONE;
    record->time_ns = cr_os_coarse_ns();
    record->thread = thread->number;
    if (!enter(thread, index, result, size, tag)) {
        stop();
        return;
    }
    ADD(slot->reallocations, 1);
    ADD(slot->bytes_freed, old_size);
    count_birth(slot, size);
    count_death(slot, 0);
}
