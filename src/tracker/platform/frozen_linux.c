/* frozen_linux.c - the frozen copy of the process (platform.h), by the system call that fork itself uses. */
#include "platform/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "platform/waits_linux.h"
#include "base/banned.h"

#define MOST_CLOSED_ONE_BY_ONE 65536

int cr_os_fork_frozen(void)
{
    /* No flags: a copy of everything, and no signal to the parent at its end, which makes it a child that wait() does not see. */
    long child = syscall(SYS_clone, 0, 0, 0, 0, 0);
    return child < 0 ? -errno : (int)child;
}

bool cr_os_frozen_ended(int child) { return waitpid(child, NULL, WNOHANG | (int)__WCLONE) != 0; }

static void close_others(int kept)
{
#ifdef SYS_close_range
    bool below = !kept || !syscall(SYS_close_range, 0, (unsigned long)kept - 1, 0);
    if (below && !syscall(SYS_close_range, (unsigned long)kept + 1, UINT_MAX, 0))
        return;
#endif
    struct rlimit limit;
    int most = MOST_CLOSED_ONE_BY_ONE;
    if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < MOST_CLOSED_ONE_BY_ONE)
        most = (int)limit.rlim_cur;
    for (int fd = 0; fd < most; fd++)
        if (fd != kept)
            close(fd);
}

void cr_os_turn_frozen(int kept)
{
    close_others(kept); /* whoever reads what the program writes must see the end when the program closes it */
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_NAME, "crunch-snapshot", 0, 0, 0);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t ignored = write(fd, "1000", 4);
        (void)ignored;
        close(fd);
    }
}

/* ---- interrupted waits ---- */

__thread volatile unsigned cr_waits_interrupted __attribute__((tls_model("initial-exec")));

/* The system call that the signal interrupted is about to return EINTR, on account of this signal. */
static bool interrupts_a_call(const ucontext_t *context)
{
#if defined(__x86_64__)
    const unsigned char *code = (const unsigned char *)context->uc_mcontext.gregs[REG_RIP] - 2;
    return context->uc_mcontext.gregs[REG_RAX] == -EINTR && code[0] == 0x0f && code[1] == 0x05;
#elif defined(__aarch64__)
    const unsigned *code = (const unsigned *)context->uc_mcontext.pc - 1;
    return (long)context->uc_mcontext.regs[0] == -EINTR && *code == 0xd4000001u;
#else
    (void)context;
    return false;
#endif
}

bool cr_waits_is_other_due(const ucontext_t *context)
{
    sigset_t waiting;
    if (sigpending(&waiting))
        return true;
    for (int number = 1; number < NSIG; number++)
        if (sigismember(&waiting, number) == 1 && !sigismember(&context->uc_sigmask, number))
            return true;
    return false;
}

void cr_os_note_interruption(const void *context)
{
    if (interrupts_a_call(context) && !cr_waits_is_other_due(context))
        cr_waits_interrupted++;
}
