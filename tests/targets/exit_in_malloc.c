/* Two threads in malloc and free all the time; a signal every millisecond, whose 20th ends the process, wherever it is. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static void count_down(int unused)
{
    static int left = 20;
    (void)unused;
    if (!--left)
        _exit(5);
}

static void *churn(void *unused)
{
    void *block[100] = {0};
    for (unsigned i = 0;; i++) {
        free(block[i % 100]);
        block[i % 100] = malloc(i * 37 % 3000 + (i % 50 ? 0 : 200000));
    }
    return unused;
}

int main(void)
{
    struct itimerval every = {{0, 1000}, {0, 1000}};
    pthread_t thread;
    signal(SIGALRM, count_down);
    pthread_create(&thread, NULL, churn, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    churn(NULL);
}
