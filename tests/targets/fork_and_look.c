/* Forks as many children as its argument says while another thread has crunch look for leaks all the time. Each child says whether it sees a
 * signal handler that the program has not set, and looks, too. Prints how many children did; the exit status is 99 if one went wrong. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/crunch.h"

static atomic_bool done;

static void *look(void *unused)
{
    while (!atomic_load(&done))
        crunch_leak_check();
    return unused;
}

static int has_handlers(void)
{
    struct sigaction action;
    for (int number = 1; number <= SIGRTMAX; number++)
        if (!sigaction(number, NULL, &action) && action.sa_handler != SIG_DFL)
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    pthread_t looker;
    int failed = 0, right = 0;
    pthread_create(&looker, NULL, look, NULL);
    for (int i = argc > 1 ? atoi(argv[1]) : 0; i > 0; i--) {
        pid_t child = fork();
        if (child == 0) {
            int seen = has_handlers();
            alarm(5); /* a look that waits for one of the parent's */
            crunch_leak_check();
            _exit(seen ? 5 : 4);
        }
        int status;
        waitpid(child, &status, 0);
        right += WIFEXITED(status) && WEXITSTATUS(status) == 4;
        failed += !WIFEXITED(status) || WEXITSTATUS(status) != 4;
    }
    atomic_store(&done, 1);
    pthread_join(looker, NULL);
    printf("%d\n", right);
    return failed ? 99 : 0;
}
