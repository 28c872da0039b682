/* thread.c - see thread.h. */
#include "state/thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "platform/platform.h"
#include "services/arena.h"
#include "services/recording.h"
#include "state/heap_sections.h"
#include "state/thread_info.h"
#include "base/banned.h"

_Atomic bool cr_active;
struct cr_lock cr_threads_lock = CR_LOCK_INIT;
uint32_t cr_threads_base;
uint64_t cr_threads_until_placed = UINT64_MAX;

static struct {
    struct cr_thread *idle;
    struct cr_thread *_Atomic last_made;
} pool;

/* Memory that begins so many bytes into a page. What every event writes must not lie alike in different pages (the recording's
 * sections lie at their begin): a load waits for an earlier store to an address with the same low 12 bits. 2 ns a pair. */
static void *alloc_in_page(size_t bytes, size_t from)
{
    char *memory = cr_arena_alloc(from + bytes, 4096);
    return memory ? memory + from : NULL;
}

static struct cr_thread *take_or_make(void)
{
    cr_lock(&cr_threads_lock);
    struct cr_thread *thread = pool.idle;
    if (thread)
        pool.idle = thread->next;
    cr_unlock(&cr_threads_lock);
    if (thread)
        return thread;

    thread = alloc_in_page(sizeof *thread, 0x800);
    struct cr_unwind_state *unwind = cr_arena_alloc(sizeof *unwind, 64);
    struct cr_memo *memo = alloc_in_page(sizeof *memo, 0xe00);
    struct cr_freed_ring *history = cr_arena_alloc(sizeof *history, 64);
    uint32_t item = cr_recording_append(CR_SECTION_THREADS, NULL, 1);
    if (!thread || !unwind || !memo || !history || item == CR_NO_ITEM)
        return NULL;
    thread->slot_item = item;
    thread->slot = cr_slot(item);
    thread->until_placed = cr_threads_until_placed;
    thread->unwind = unwind;
    thread->memo = memo;
    thread->freed = history;
    thread->freed_mark = CR_SLOT_FREED | item;
    thread->altstack = cr_arena_alloc(CR_ALTSTACK_BYTES, 4096);
    thread->made_before = atomic_load(&pool.last_made);
    while (!atomic_compare_exchange_weak(&pool.last_made, &thread->made_before, thread))
        ;
    return thread;
}

const struct cr_thread *cr_thread_next(const struct cr_thread *thread)
{
    return thread ? thread->made_before : atomic_load(&pool.last_made);
}

bool cr_thread_section(struct cr_thread *thread, const char *name)
{
    static_assert(CR_HEAP_SECTION_OTHER < CR_MEMO_LAYERS, "a layer for each");
    struct cr_heap_section section = cr_heap_section(name);
    thread->section = section.address;
    cr_memo_layer(thread->memo, section.number);
    return section.number != CR_HEAP_SECTION_OTHER && (section.number || !name || !*name);
}

const struct cr_thread *cr_thread_of_mark(uint32_t mark)
{
    const struct cr_thread *thread = atomic_load(&pool.last_made);
    while (thread && thread->freed_mark != mark)
        thread = thread->made_before;
    return thread;
}

static void put_back(struct cr_thread *thread)
{
    cr_lock(&cr_threads_lock);
    thread->next = pool.idle;
    pool.idle = thread;
    cr_unlock(&cr_threads_lock);
}

/* A stack of its own for the crash handler, unless the program has set one. */
static void lend_altstack(const struct cr_thread *thread)
{
    stack_t stack = {.ss_sp = thread->altstack, .ss_size = CR_ALTSTACK_BYTES}, present;
    if (thread->altstack && !sigaltstack(NULL, &present) && present.ss_flags & SS_DISABLE)
        sigaltstack(&stack, NULL);
}

static void take_altstack_back(const struct cr_thread *thread)
{
    stack_t none = {.ss_flags = SS_DISABLE, .ss_size = CR_ALTSTACK_BYTES}, present;
    if (!sigaltstack(NULL, &present) && present.ss_sp == thread->altstack)
        sigaltstack(&none, NULL);
}

void (*cr_thread_snapshot)(void);

void cr_leave_slowly(struct cr_thread *thread)
{
    uint8_t after = thread->after;
    thread->after = 0;
    if (after & CR_AFTER_GIVE_BACK) {
        cr_tls_set((void *)CR_THREAD_ENDING);
        put_back(thread);
    }
    if (after & CR_AFTER_SNAPSHOT && cr_thread_snapshot) {
        int saved = errno;
        cr_thread_snapshot();
        errno = saved;
    }
}

static void at_thread_end(void *value)
{
    struct cr_thread *thread = value;
    if ((uintptr_t)thread <= CR_THREAD_BUSY) {
        cr_tls_set(
            (void *)CR_THREAD_ENDING); /* where the key itself holds the value: keep it through the next rounds */
        return;
    }
    cr_tls_set((void *)CR_THREAD_BUSY);
    cr_record_spill(&thread->spares);
    take_altstack_back(thread);
    cr_lock(&cr_threads_lock);
    cr_thread_info_end(thread->info_item);
    cr_unlock(&cr_threads_lock);
    thread->number = thread->info_item = 0;
    thread->freed_by = 0;
    cr_tls_set((void *)CR_THREAD_ENDING);
    put_back(thread);
}

static void tell_info(struct cr_thread *thread)
{
    cr_lock(&cr_threads_lock);
    thread->info_item = cr_thread_info_begin(thread->number - cr_threads_base, thread->slot_item);
    cr_unlock(&cr_threads_lock);
}

/* Gives the calling thread a state. On failure it has none and tracking ends: an unrecorded thread would make every count wrong. */
static struct cr_thread *attach(bool ending)
{
    int saved = errno;
    cr_tls_set((void *)CR_THREAD_BUSY); /* what follows may allocate */
    struct cr_thread *thread = take_or_make();
    if (thread) {
        thread->after = ending ? CR_AFTER_GIVE_BACK : 0;
        thread->inside = 1;
        thread->last_record = 0;
        thread->trail.length = 0;
        thread->unwind->joinable = 0; /* what it knows is another thread's stack */
        thread->section = 0;
        cr_memo_void(thread->memo);
        cr_memo_layer(thread->memo, 0);
        if (ending || !cr_os_stack_bounds(&thread->unwind->stack_low, &thread->unwind->stack_high))
            thread->unwind->stack_low = thread->unwind->stack_high = 0;
        thread->memo->stack_low = thread->unwind->stack_low;
        thread->memo->stack_bytes = thread->unwind->stack_high - thread->unwind->stack_low;
        if (!ending) {
            thread->number = cr_threads_base + (uint32_t)atomic_fetch_add(&cr_recording->threads, 1) + 1;
            thread->freed_by = cr_freed_by(thread->number);
            tell_info(thread);
            cr_tls_at_end(thread);
            lend_altstack(thread);
        }
    } else {
        atomic_store(&cr_active, false);
        cr_recording->flags |= CR_RUN_STOPPED;
        cr_recording_say("no memory for another thread: tracking stopped", "", 0);
    }
    cr_tls_set(thread);
    errno = saved;
    return thread;
}

struct cr_thread *cr_enter_slowly(void)
{
    struct cr_thread *thread = cr_tls_get();
    bool ending = (uintptr_t)thread == CR_THREAD_ENDING;
    if (thread && !ending)
        return NULL;
    return atomic_load_explicit(&cr_active, memory_order_relaxed) ? attach(ending) : NULL;
}

int cr_threads_start(void) { return cr_tls_start(at_thread_end); }

void cr_threads_fork(uint64_t parent_threads)
{
    struct cr_thread *self = cr_tls_get();
    bool known = (uintptr_t)self > CR_THREAD_BUSY;
    cr_threads_base += (uint32_t)parent_threads;
    cr_recording->threads = known;
    cr_thread_info_start();
    if (known) {
        self->number = cr_threads_base + 1;
        self->freed_by = cr_freed_by(self->number);
        tell_info(self);
    }
}
