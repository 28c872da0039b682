/* waits_linux.h - how often a signal of crunch's own has interrupted a system call of the calling thread. */
#ifndef CR_PLATFORM_WAITS_LINUX_H
#define CR_PLATFORM_WAITS_LINUX_H

#include <stdbool.h>
#include <ucontext.h>

extern __thread volatile unsigned cr_waits_interrupted __attribute__((tls_model("initial-exec")));

/* Whether another signal is let through as soon as the handler with this context returns: it interrupts the call as well, and the program
 * shall know. */
bool cr_waits_is_other_due(const ucontext_t *context);

#endif
