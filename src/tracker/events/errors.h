/* errors.h - what the program did wrong: every check reports here, and the launcher reads it from the recording at once.
 *
 * The first 1,000 errors that differ in kind or stack are kept in the section ERRORS, with how often each happened; of the others
 * only the number is. Errors are rare, so nothing here is made to be fast. Locks: errors, then recording. */
#ifndef CR_EVENTS_ERRORS_H
#define CR_EVENTS_ERRORS_H

#include "base/format.h"
#include "base/lock.h"
#include "base/unwind.h"
#include "state/thread.h"

#define CR_ERRORS_MOST 1000u

extern struct cr_lock cr_errors_lock;

/* Reports an error by a thread that has entered. The caller fills in all but thread, time_ns and count; a stack comes from
 * cr_stack_here. From any hook, and from the handler of a fault in the program's own code. Keeps errno. With --abort-on-error it raises
 * SIGABRT and does not come back. Returns whether this is the first such error. */
bool cr_error_report(const struct cr_thread *thread, const struct cr_error *error);

/* An item of NODES for a call of which only the caller is known; 0 if there is no memory, or for 0. The whole stack of a hook's caller
 * is cr_stack_here (events/recorder.h). */
uint32_t cr_stack_of_caller(uintptr_t return_address);

/* The reason why crunch raised SIGABRT, for `fatal`; NULL: it did not. */
const char *cr_errors_abort_reason(void);

/* In a forked child, whose recording begins without errors. */
void cr_errors_fork(void);

#endif
