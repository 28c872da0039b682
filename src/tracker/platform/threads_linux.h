/* threads_linux.h - where a thread stands, for threads_linux.c: as /proc has it, and in the registers of a signal's context. */
#ifndef CR_PLATFORM_THREADS_LINUX_H
#define CR_PLATFORM_THREADS_LINUX_H

#include <signal.h>

#include "platform/platform.h"

/* For what runs in the signal's handler: it may find ThreadSanitizer's own bookkeeping half done. */
#define CR_UNSEEN __attribute__((no_sanitize("thread")))

/* sigaction as the kernel has it. */
struct cr_kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};
/* Past the hooks of sigaction, and for the signals that libc keeps to itself. 0, or -1 and errno. */
long cr_kernel_action(int number, const struct cr_kernel_action *action, struct cr_kernel_action *before);
/* The highest that nobody handles; the highest of all, whose handler is to be called in turn, if every one is. */
int cr_kernel_choose_signal(void);

#if defined(__x86_64__)
void cr_threads_restorer(void); /* what a handler returns to; the kernel asks for one */
#define CR_KERNEL_RESTORER_FLAG 0x04000000ul
#define CR_KERNEL_RESTORER cr_threads_restorer
#else
#define CR_KERNEL_RESTORER_FLAG 0ul
#define CR_KERNEL_RESTORER NULL
#endif

/* The system call a thread sleeps in. */
struct cr_call {
    long number; /* -1: none, or the thread runs */
    uint64_t argument[6];
};

struct cr_condition {
    bool ended, deaf, stuck; /* deaf: blocks the signal asked about; stuck: sleeps where no signal wakes it */
    struct cr_call call;
};

/* Looks at a thread. registers: pc and sp are set if it sleeps. */
struct cr_condition cr_condition_look(uint64_t id, int number, struct cr_os_registers *registers);
/* Whether a call returns EINTR after any handler, whatever SA_RESTART says: signal(7). */
bool cr_call_never_restarts(const struct cr_call *call);
/* Whether it is one in which no handler runs for as long as it lasts, or that would take the signal for its own. */
bool cr_call_holds_signals(long number);

/* Reads a decimal number. */
uint64_t cr_proc_decimal(const char *text);

/* Whether registers are of a system call that a signal has cut short: it returns EINTR to the instruction after it. */
bool cr_registers_cut_short(const struct cr_os_registers *registers);

/* Makes a call that was cut short be made again, as it was, where it is one that never restarts and can be told from the code (x86-64: glibc's). For a thread
 * that came into the call just when the signal was sent. Whether it will be. */
bool cr_context_repeat(void *context);

#endif
