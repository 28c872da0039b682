/* Blocks all signals and prints the number of each that it reads from a signalfd, until its input ends. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

int main(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    struct pollfd ends[2] = {{.fd = signalfd(-1, &all, SFD_CLOEXEC), .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    struct signalfd_siginfo info;
    puts("ready");
    fflush(stdout);
    while (poll(ends, 2, -1) > 0 && !ends[1].revents)
        if (read(ends[0].fd, &info, sizeof info) == sizeof info)
            printf("signal %u\n", info.ssi_signo);
    return 0;
}
