/* signals.c - hooks that hide crunch's signal handler and alternate stacks from the program: it reads the default action where
 * only crunch's handler stands, and setting the default action puts crunch's handler back. */
#include "entry/hooks.h"

#include "entry/crash.h"
#include "base/banned.h"

CR_HOOK(int, sigaction, (int number, const struct sigaction *action, struct sigaction *old))
{
    struct sigaction before;
    bool to_default = action && action->sa_handler == SIG_DFL; /* whatever SA_SIGINFO says */
    int result = CR_REAL(sigaction)(number, action, &before);
    if (result)
        return result;
    if (cr_crash_is_handler(&before))
        before = cr_crash_replaced(number);
    if (old)
        *old = before;
    if (action)
        cr_crash_changed(number, to_default);
    return 0;
}

/* What all functions of signal()'s shape do around the real one. */
static cr_signal_handler disguise(int number, cr_signal_handler handler, cr_signal_handler before)
{
    if (before != SIG_ERR)
        cr_crash_changed(number, handler == SIG_DFL);
    return cr_crash_is_function(before) ? SIG_DFL : before;
}

#define SIGNAL_HOOK(name)                                                                                              \
    CR_HOOK(cr_signal_handler, name, (int number, cr_signal_handler handler))                                          \
    {                                                                                                                  \
        return disguise(number, handler, CR_REAL(name)(number, handler));                                              \
    }

SIGNAL_HOOK(signal)
SIGNAL_HOOK(sigset)
CR_IF_LINUX(SIGNAL_HOOK(bsd_signal))
CR_IF_LINUX(SIGNAL_HOOK(ssignal))
CR_IF_LINUX(SIGNAL_HOOK(sysv_signal))
CR_IF_LINUX(SIGNAL_HOOK(__sysv_signal))

CR_HOOK(int, sigaltstack, (const stack_t *stack, stack_t *old))
{
    int result = CR_REAL(sigaltstack)(stack, old);
    const struct cr_thread *thread = cr_tls_get();
    bool known = (uintptr_t)thread > CR_THREAD_BUSY && thread->altstack;
    if (!result && old && ((known && old->ss_sp == thread->altstack) || cr_os_is_lent_stack(old->ss_sp)))
        *old = (stack_t){.ss_flags = SS_DISABLE};
    return result;
}
