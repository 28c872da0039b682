/* threads_signal_linux.c - see threads_linux.h: the signal that stops a thread. */
#include "platform/threads_linux.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "base/banned.h"

#define FIRST_FREE_SIGNAL 34 /* glibc keeps 32 and 33 to itself */
#define LAST_SIGNAL 64

#if defined(__x86_64__)
__asm__(".text\n.hidden cr_threads_restorer\n.globl cr_threads_restorer\n.type cr_threads_restorer, @function\n"
        "cr_threads_restorer:\n\tmovq $15, %rax\n\tsyscall\n.size cr_threads_restorer, .-cr_threads_restorer\n");
#endif

long cr_kernel_action(int number, const struct cr_kernel_action *action, struct cr_kernel_action *before)
{
    return syscall(SYS_rt_sigaction, (long)number, action, before, 8L);
}

int cr_kernel_choose_signal(void)
{
    struct cr_kernel_action present;
    for (int number = LAST_SIGNAL; number >= FIRST_FREE_SIGNAL; number--)
        if (!cr_kernel_action(number, NULL, &present) && !present.handler /* SIG_DFL */)
            return number;
    return LAST_SIGNAL;
}
