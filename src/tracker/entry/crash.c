/* crash.c - see crash.h. The handler runs on the thread's alternate stack (state/thread.c), with every signal blocked, writes the run
 * folder, and then lets the default action happen, so that the parent sees the signal the program would have died of. */
#include "entry/crash.h"

#include <errno.h>
#include <string.h>

#include "entry/hooks.h"
#include "events/guard.h"
#include "events/placed_errors.h"
#include "events/run_folder.h"
#include "events/signal_words.h"
#include "events/snapshot.h"
#include "base/banned.h"

static bool watching;
/* The default actions crunch's handler stands in for, as the program has set them: with flags and mask. */
static struct sigaction replaced[NSIG];

static void handle(int number, siginfo_t *info, void *context);

bool cr_crash_is_handler(const struct sigaction *action)
{
    return action->sa_flags & SA_SIGINFO && action->sa_sigaction == handle;
}

bool cr_crash_is_function(void (*handler)(int)) { return (uintptr_t)handler == (uintptr_t)handle; }

/* A fault on a guarded block's pages is an error, too. */
static void tell_guarded(const siginfo_t *info, const void *context)
{
    struct cr_os_registers registers;
    uintptr_t address = (uintptr_t)info->si_addr;
    bool faulted = info->si_signo == SIGSEGV || info->si_signo == SIGBUS;
    if (!faulted || info->si_code <= 0 || address - cr_guard_space.base >= cr_guard_space.bytes)
        return;
    cr_os_read_context(context, &registers);
    cr_placed_tell_fault(address, cr_os_access(context), &registers);
}

static void handle(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    if (cr_snapshot_signalled(number, context)) {
        errno = saved;
        return;
    }
    siginfo_t read = *info;
    cr_os_read_signal(&read, context);
    tell_guarded(&read, context);
    struct cr_end end = {CR_RUN_SIGNALLED, number, &read, context, NULL};
    cr_run_folder_write(&end);

    struct sigaction standard = {.sa_handler = SIG_DFL};
    CR_REAL(sigaction)(number, &standard, NULL);
    cr_os_signal_again(info);
    errno = saved;
}

static void install(int number, const struct sigaction *present)
{
    replaced[number] = *present;
    struct sigaction ours = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigfillset(&ours.sa_mask);
    CR_REAL(sigaction)(number, &ours, NULL);
}

struct sigaction cr_crash_replaced(int number) { return replaced[number]; }

/* Whether it did. */
static bool install_over_default(int number)
{
    struct sigaction present;
    bool standard = !CR_REAL(sigaction)(number, NULL, &present) && present.sa_handler == SIG_DFL;
    if (standard)
        install(number, &present);
    return standard;
}

void cr_crash_changed(int number, bool to_default)
{
    bool request = number == CR_SNAPSHOT_REQUEST_SIGNAL;
    if (watching && to_default && (request || cr_signal_find(number)))
        install_over_default(number);
    if (watching && request)
        cr_snapshot_listens(to_default);
}

void cr_crash_start(void)
{
    watching = true;
    for (int i = 0; i < cr_signal_count; i++)
        install_over_default(cr_signals[i].number);
    cr_snapshot_listens(install_over_default(CR_SNAPSHOT_REQUEST_SIGNAL));
}
