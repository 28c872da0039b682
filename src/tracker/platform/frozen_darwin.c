/* frozen_darwin.c - the frozen copy of the process (platform.h). macOS has one way to fork: its handlers run, the parent is sent SIGCHLD,
 * and wait() finds the child. */
#include "platform/platform.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/banned.h"

int cr_os_fork_frozen(void)
{
    pid_t child = fork();
    return child < 0 ? -errno : (int)child;
}

bool cr_os_frozen_ended(int child) { return waitpid(child, NULL, WNOHANG) != 0; }

void cr_os_turn_frozen(int kept)
{
    for (int fd = getdtablesize(); fd-- > 0;)
        if (fd != kept)
            close(fd);
}

void cr_os_note_interruption(const void *context) { (void)context; /* see docs/platforms.md */ }
