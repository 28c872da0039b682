/* A timer's signals every 50 microseconds for the seconds of its argument, while four threads use the heap. The handler does not
 * allocate. Prints how many calls were made of each kind: "allocations frees". */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static atomic_long calls;
static atomic_bool done;
static volatile sig_atomic_t signals;

static void tick(int number)
{
    (void)number;
    signals++;
}

static void *work(void *unused)
{
    (void)unused;
    void *block[50] = {0};
    for (unsigned i = 0; !atomic_load(&done); i++) {
        free(block[i % 50]);
        block[i % 50] = malloc(i % 500);
        atomic_fetch_add(&calls, 1);
    }
    for (int i = 0; i < 50; i++)
        free(block[i]);
    return NULL;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    pthread_t thread[4];
    double end = now() + (argc > 1 ? atoi(argv[1]) : 1);
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {{0, 50}, {0, 50}};
    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, work, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    while (now() < end)
        free(malloc(10)), atomic_fetch_add(&calls, 1);
    atomic_store(&done, true);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    every = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &every, NULL);
    printf("%ld\n", atomic_load(&calls));
    return signals > 1000 ? 0 : 99;
}
