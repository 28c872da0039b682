/* on_stack.h - SA_ONSTACK of the program's handlers. Crunch lends each thread an alternate stack for its own handler. A program that never
 * sets one runs its handlers on the ordinary stack whatever its flags say, so the flag is kept from the system until it sets one.
 * Called by the hooks of signals.c, also in signal handlers; no locks. */
#ifndef CR_ENTRY_ON_STACK_H
#define CR_ENTRY_ON_STACK_H

#include <signal.h>
#include <stdint.h>

/* What the program sets as a signal's action: returns what to give to the system instead, maybe in *room. */
const struct sigaction *cr_on_stack_setting(int number, const struct sigaction *action, struct sigaction *room);
/* It is set; to a handler of this address. */
void cr_on_stack_set(int number, uintptr_t handler);
/* An action that the system has told: as the program knows it. told_for: what cr_on_stack_held said before the action was changed. */
void cr_on_stack_told(struct sigaction *action, uintptr_t told_for);
/* The handler of a signal whose flag is kept; 0: none. */
uintptr_t cr_on_stack_held(int number);
/* The program sets an alternate stack, before it is set. */
void cr_on_stack_begin(void);

#endif
