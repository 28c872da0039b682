/* frozen_darwin.c - the frozen copy of the process (platform.h), by the system call that fork itself uses.
 *
 * fork runs handlers, libSystem's own too, which take malloc's locks and the Objective-C runtime's: threads that are stopped may hold
 * them, and so may the calling one, in a signal handler. Without them the copy has none of what they renew but what is renewed here; it may
 * call the system, and nothing that takes a lock. The parent is sent SIGCHLD at its end, and wait() finds it. */
#include "platform/platform.h"

#include <errno.h>
#include <libproc.h>
#include <mach/mach.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/banned.h"

/* libSystem's, which its fork calls between the handlers: the system call, and the new process's number forgotten. No header has it. */
extern pid_t __fork(void) __attribute__((weak_import));

int cr_os_fork_frozen(void)
{
    if (!__fork)
        return -ENOSYS;
    pid_t child = __fork();
    return child < 0 ? -errno : (int)child;
}

bool cr_os_frozen_ended(int child) { return waitpid(child, NULL, WNOHANG) != 0; }

/* A new process has no ports but its own: its name is asked for once more, and the port for the kernel's answers, which each thread keeps
 * in slot 2 of its own data (os/tsd.h: __TSD_MIG_REPLY), is made when it is needed and none is there. */
static void renew_ports(void)
{
#if defined(__x86_64__)
    __asm__ volatile("movq $0, %%gs:16" ::: "memory");
#else
    uintptr_t own;
    __asm__ volatile("mrs %0, TPIDRRO_EL0" : "=r"(own));
    ((void *volatile *)(own & ~(uintptr_t)7))[2] = NULL; /* the lowest bits may be the processor's number */
#endif
    mach_task_self_ = task_self_trap();
}

/* Closing a guarded descriptor ends the process. Of the other kinds nobody waits for the end. */
static bool may_be_closed(const struct proc_fdinfo *open)
{
    union {
        struct proc_fileinfo file;
        char room[2048];
    } info;
    int what;
    switch (open->proc_fdtype) {
    case PROX_FDTYPE_VNODE: what = PROC_PIDFDVNODEINFO; break;
    case PROX_FDTYPE_SOCKET: what = PROC_PIDFDSOCKETINFO; break;
    case PROX_FDTYPE_PIPE: what = PROC_PIDFDPIPEINFO; break;
    default: return false;
    }
    int bytes = proc_pidfdinfo(getpid(), open->proc_fd, what, &info, sizeof info);
    return bytes >= (int)sizeof info.file && !(info.file.fi_status & PROC_FP_GUARDED);
}

/* Whoever reads what the program writes must see the end when the program closes it. */
static void close_others(int kept)
{
    int room = proc_pidinfo(getpid(), PROC_PIDLISTFDS, 0, NULL, 0);
    struct proc_fdinfo *list = room > 0 ? cr_os_map((size_t)room) : NULL;
    int bytes = list ? proc_pidinfo(getpid(), PROC_PIDLISTFDS, 0, list, room) : 0;
    for (int i = 0; i < bytes / (int)sizeof *list; i++)
        if (list[i].proc_fd != kept && may_be_closed(&list[i]))
            close(list[i].proc_fd);
    if (list)
        cr_os_unmap(list, (size_t)room);
}

void cr_os_turn_frozen(int kept)
{
    renew_ports();
    close_others(kept);
}

void cr_os_note_interruption(const void *context) { (void)context; /* see docs/platforms.md */ }
