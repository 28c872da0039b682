/* errors.c - see errors.h. A table of item numbers by kind and stack is read without the lock; items and their entries are only
 * added, under it. */
#include "events/errors.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/fmt.h"
#include "platform/platform.h"
#include "services/options.h"
#include "services/recording.h"
#include "state/call_tree.h"
#include "base/banned.h"

#define TABLE_ENTRIES 2048u /* a power of two, twice CR_ERRORS_MOST */

struct cr_lock cr_errors_lock = CR_LOCK_INIT;

static _Atomic uint16_t table[TABLE_ENTRIES]; /* item + 1; 0: none */
static char abort_reason[160];

static const char *const words[CR_ERROR_KINDS] = {
    [CR_ERROR_DOUBLE_FREE] = "double free",
    [CR_ERROR_FREE_INSIDE] = "free inside a block",
    [CR_ERROR_FREE_STACK] = "free of stack memory",
    [CR_ERROR_FREE_STATIC] = "free of static memory",
    [CR_ERROR_FREE_UNMAPPED] = "free of unmapped memory",
    [CR_ERROR_MISMATCH] = "mismatched free",
    [CR_ERROR_WRONG_SIZE] = "free with a wrong size",
    [CR_ERROR_WRONG_ALIGNMENT] = "free with a wrong alignment",
    [CR_ERROR_WRONG_ZONE] = "free in a wrong zone",
    [CR_ERROR_NEGATIVE_SIZE] = "negative size",
    [CR_ERROR_OVERRUN] = "write behind a block",
    [CR_ERROR_UNDERRUN] = "write before a block",
    [CR_ERROR_WRITE_AFTER_FREE] = "write after free",
    [CR_ERROR_OUT_OF_BOUNDS] = "access out of bounds",
    [CR_ERROR_USE_AFTER_FREE] = "use after free",
    [CR_ERROR_GUARD_AFTER] = "access behind a block",
    [CR_ERROR_GUARD_BEFORE] = "access before a block",
    [CR_ERROR_GUARD_FREED] = "use after free",
};

static struct cr_error *item(uint32_t i) { return CR_SECTION_ITEM(struct cr_error, CR_SECTION_ERRORS, i); }

/* Errors that are found at the end have happened somewhere else: they are told apart by where their block came from. */
static uint32_t origin(const struct cr_error *error) { return error->stack ? error->stack : error->allocated; }

/* The table's entry of an error: the one that has it, or the empty one where it would stand. */
static _Atomic uint16_t *place(const struct cr_error *error)
{
    for (uint32_t i = cr_tree_hash(error->kind, origin(error));; i++) {
        _Atomic uint16_t *entry = &table[i & (TABLE_ENTRIES - 1)];
        uint16_t found = atomic_load_explicit(entry, memory_order_acquire);
        if (!found || (item(found - 1u)->kind == error->kind && origin(item(found - 1u)) == origin(error)))
            return entry;
    }
}

static bool count_again(const struct cr_error *error)
{
    uint16_t found = atomic_load_explicit(place(error), memory_order_acquire);
    if (found)
        atomic_fetch_add_explicit(&item(found - 1u)->count, 1, memory_order_relaxed);
    return found != 0;
}

/* Keeps an error, or counts it where nothing more is kept. */
static void keep(const struct cr_thread *thread, const struct cr_error *error)
{
    struct cr_error kept = *error;
    kept.thread = thread->number;
    kept.time_ns = cr_os_now_ns() - cr_recording->start_ns;
    atomic_store_explicit(&kept.count, 1, memory_order_relaxed);
    uint32_t number = CR_NO_ITEM;
    if (atomic_load(&cr_recording->sections[CR_SECTION_ERRORS].used) < CR_ERRORS_MOST)
        number = cr_recording_append(CR_SECTION_ERRORS, &kept, 1);
    if (number == CR_NO_ITEM)
        atomic_fetch_add(&cr_recording->errors_left_out, 1);
    else
        atomic_store_explicit(place(error), (uint16_t)(number + 1), memory_order_release);
}

/* Ends the program as abort() would: through crunch's handler for the signal, which writes the run folder. */
static void end_program(const struct cr_error *error)
{
    struct cr_text text = CR_TEXT(abort_reason);
    cr_text_string(&text, "--abort-on-error: ");
    cr_text_string(&text, words[error->kind]);
    cr_text_string(&text, error->function[0] ? " by " : "");
    cr_text_string(&text, error->function);
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, SIGABRT);
    sigaction(SIGABRT, &standard, NULL); /* the hook, which lets crunch's handler stand in */
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    raise(SIGABRT);
}

bool cr_error_report(const struct cr_thread *thread, const struct cr_error *error)
{
    int saved = errno;
    bool again = count_again(error);
    if (!again) {
        struct cr_os_held held;
        cr_os_hold_signals(&held); /* a handler may report, too */
        cr_lock(&cr_errors_lock);
        again = count_again(error);
        if (!again)
            keep(thread, error);
        cr_unlock(&cr_errors_lock);
        cr_os_release_signals(&held);
    }
    atomic_fetch_add_explicit(&cr_recording->errors, 1, memory_order_release);
    if (cr_options.abort_on_error)
        end_program(error);
    errno = saved;
    return !again;
}

uint32_t cr_stack_of_caller(uintptr_t return_address)
{
    return return_address ? cr_tree_child(CR_MARKER_CALLER, return_address) : 0;
}

const char *cr_errors_abort_reason(void) { return abort_reason[0] ? abort_reason : NULL; }

void cr_errors_fork(void) { memset((void *)table, 0, sizeof table); }
