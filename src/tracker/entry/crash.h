/* crash.h - the handler of signals that end the process or ask for a snapshot, and which signals it watches.
 *
 * It is installed only where the disposition is the default one, so the program's own handlers win, and it is hidden from the
 * program by the hooks of signals.c. */
#ifndef CR_ENTRY_CRASH_H
#define CR_ENTRY_CRASH_H

#include <signal.h>
#include <stdbool.h>

/* Installs the handler for every watched signal whose disposition is the default. */
void cr_crash_start(void);
/* The program has set a signal's action, maybe to the default one: then watch it (again), if crunch watches it at all. */
void cr_crash_changed(int number, bool to_default);
/* Whether this is crunch's handler. */
bool cr_crash_is_handler(const struct sigaction *action);
/* What it stands in for: the default action as the program has set it, with flags and mask. */
struct sigaction cr_crash_replaced(int number);
bool cr_crash_is_function(void (*handler)(int));

#endif
