/* on_stack.c - see on_stack.h. A flag is kept for one handler: once the program has set another, in whatever way, there is nothing kept. */
#include "entry/on_stack.h"

#include <stdatomic.h>

#include "entry/hooks.h"
#include "base/banned.h"

static _Atomic uintptr_t held[NSIG]; /* the handler whose flag is kept from the system */
static _Atomic bool begun;           /* the program has had an alternate stack */

static bool is_signal(int number) { return number > 0 && number < NSIG; }

static uintptr_t handler_of(const struct sigaction *action) { return (uintptr_t)action->sa_handler; }

static bool is_function(uintptr_t handler) { return handler != (uintptr_t)SIG_DFL && handler != (uintptr_t)SIG_IGN; }

uintptr_t cr_on_stack_held(int number) { return is_signal(number) ? atomic_load(&held[number]) : 0; }

void cr_on_stack_told(struct sigaction *action, uintptr_t told_for)
{
    if (told_for && handler_of(action) == told_for)
        action->sa_flags |= SA_ONSTACK;
}

const struct sigaction *cr_on_stack_setting(int number, const struct sigaction *action, struct sigaction *room)
{
    if (!action || !is_signal(number) || atomic_load(&begun) || !(action->sa_flags & SA_ONSTACK) ||
        !is_function(handler_of(action)))
        return action;
    *room = *action;
    room->sa_flags &= ~SA_ONSTACK;
    return room;
}

/* Where another thread sets the action meanwhile, its word is the last. */
static void give(int number)
{
    struct sigaction present, before;
    while (!CR_REAL(sigaction)(number, NULL, &present) && handler_of(&present) == atomic_load(&held[number])) {
        atomic_store(&held[number], 0);
        present.sa_flags |= SA_ONSTACK;
        if (CR_REAL(sigaction)(number, &present, &before) || handler_of(&before) == handler_of(&present))
            return;
        CR_REAL(sigaction)(number, &before, NULL);
    }
}

void cr_on_stack_set(int number, uintptr_t handler)
{
    if (!is_signal(number))
        return;
    atomic_store(&held[number], handler);
    if (handler && atomic_load(&begun))
        give(number);
}

void cr_on_stack_begin(void)
{
    if (atomic_exchange(&begun, true))
        return;
    for (int i = 1; i < NSIG; i++)
        if (atomic_load(&held[i]))
            give(i);
}
