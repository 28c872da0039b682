/* waits_linux.h - how often a signal of crunch's own has interrupted a system call of the calling thread. */
#ifndef CR_PLATFORM_WAITS_LINUX_H
#define CR_PLATFORM_WAITS_LINUX_H

extern __thread volatile unsigned cr_waits_interrupted __attribute__((tls_model("initial-exec")));

#endif
