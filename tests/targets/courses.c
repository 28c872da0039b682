/* Live bytes that take a course of their own for ARGUMENT milliseconds: one function for each, with a thread's worth of work every
 * 2 ms. Everything remains at the end. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 100000

static void *leaked[SLOTS], *cached[SLOTS], *sawn[SLOTS], *burst[SLOTS], *constant[100];

static void leak(int step) { leaked[step] = malloc(1000); } /* course: leak growing without end */

static void cache(int step, int steps) /* course: cache saturating */
{
    if (step < steps / 3)
        cached[step] = malloc(1000);
}

static void saw(int step, int steps) /* course: saw saw-tooth */
{
    int tooth = steps / 6;
    if (step % tooth == 0)
        for (int i = 0; i < tooth; i++)
            free(sawn[i]), sawn[i] = NULL;
    sawn[step % tooth] = malloc(1000);
}

static void once(int step, int steps) /* course: once one burst */
{
    if (step == steps * 4 / 10)
        for (int i = 0; i < 300; i++)
            burst[i] = malloc(1000);
    if (step == steps * 5 / 10)
        for (int i = 0; i < 300; i++)
            free(burst[i]);
}

static void start(void) /* course: start constant */
{
    for (int i = 0; i < 100; i++)
        constant[i] = malloc(1000);
}

int main(int argc, char **argv)
{
    int steps = atoi(argv[1]) / 2;
    struct timespec now, begin;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    start();
    for (int step = 0; step < steps; step++) {
        leak(step);
        cache(step, steps);
        saw(step, steps);
        once(step, steps);
        clock_gettime(CLOCK_MONOTONIC, &now);
        long ahead_us = step * 2000L - ((now.tv_sec - begin.tv_sec) * 1000000L + (now.tv_nsec - begin.tv_nsec) / 1000);
        if (ahead_us > 0) /* else the machine has been busy, and the course catches up */
            usleep((useconds_t)ahead_us);
    }
    return argc - 2;
}
