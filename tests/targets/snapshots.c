/* What snapshots must leave alone, and what they must find.
 *   storm SECONDS: four threads allocate and free all the time; then: SIGCHLDs, whether wait() knew a child, fork handlers run, errors
 *   grow MIB: allocates blocks of 64 KiB
 *   sleep MIB [own]: allocates as much in one block, then sleeps until its standard input ends; own: has a handler for SIGUSR1
 *   cost MIB: allocates as much in blocks of 1 KiB; for each byte it reads it says whether it got a snapshot, and the processor time in ms
 *       that this took and that a fork of its own took, after all pages had been written
 *   pause MIB: the same; then waits for SIGUSR1 by pause(), ten times, and says so each time
 *   places: allocates at ever new call stacks, until its standard input ends
 *   call: takes three itself; the exit status is how many it got
 *   fork: a child that sleeps, and waits for it */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int crunch_snapshot(const char *name) __attribute__((weak));

#define THREADS 4
#define SLOTS 500

static volatile sig_atomic_t children_ended, signals;
static volatile int forks, done, errors;

static void on_child(int number) { (void)number, children_ended++; }
static void on_signal(int number) { (void)number, signals++; }
static void on_fork(void) { forks++; }

static void *churn(void *seed)
{
    unsigned char *blocks[SLOTS] = {0};
    size_t sizes[SLOTS];
    unsigned random = (unsigned)(size_t)seed;
    while (!done) {
        random = random * 1103515245 + 12345;
        unsigned i = random >> 8 & 0xffff;
        i %= SLOTS;
        if (blocks[i] && (blocks[i][0] != i % 251 || blocks[i][sizes[i] - 1] != i % 251))
            errors++;
        free(blocks[i]);
        sizes[i] = 1 + (random >> 16) % 2000;
        blocks[i] = malloc(sizes[i]);
        memset(blocks[i], (int)(i % 251), sizes[i]);
    }
    for (int i = 0; i < SLOTS; i++)
        free(blocks[i]);
    return NULL;
}

static int storm(int seconds)
{
    pthread_t threads[THREADS];
    signal(SIGCHLD, on_child);
    pthread_atfork(on_fork, on_fork, on_fork);
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    time_t end = time(NULL) + seconds;
    char c;
    while (time(NULL) < end && read(0, &c, 1) < 0)
        errors++;
    done = 1;
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    int known = wait(NULL) != -1 || errno != ECHILD;
    printf("%d %d %d %d\n", (int)children_ended, known, forks, errors);
    return 0;
}

static int grow(int mib)
{
    for (int i = 0; i < mib * 16; i++) {
        char *block = malloc(65536);
        memset(block, 1, 65536);
        if (i % 16 == 0)
            usleep(30000);
    }
    return 0;
}

static int sleeper(size_t mib, int own)
{
    char *volatile block = malloc(mib << 20);
    memset(block, 7, mib << 20);
    if (own)
        signal(SIGUSR1, on_signal);
    printf("ready\n");
    fflush(stdout);
    char c;
    ssize_t n = read(0, &c, 1);
    printf("%d %d\n", (int)n, (int)signals);
    return block == NULL;
}

static double processor_ms(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

/* So many blocks of 1 KiB, each in a list; and one more write to each of their pages, so that the next copy finds all of them written. */
static char **blocks_of_1k(size_t count)
{
    char **blocks = malloc(count * sizeof *blocks);
    for (size_t i = 0; i < count; i++)
        memset(blocks[i] = malloc(1024), (int)i, 1024);
    return blocks;
}

static void write_to_all(char **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        blocks[i][0]++;
}

static double fork_ms(void)
{
    double before = processor_ms();
    pid_t child = fork();
    if (!child)
        _exit(0);
    double took = processor_ms() - before;
    waitpid(child, NULL, 0);
    return took;
}

/* A round for each byte of the standard input, so that whoever writes them can wait until the snapshot is complete. */
static int cost(size_t mib)
{
    size_t count = mib * 1024;
    char **blocks = blocks_of_1k(count), c;
    while (read(0, &c, 1) == 1) {
        write_to_all(blocks, count);
        double forked = fork_ms();
        write_to_all(blocks, count);
        double before = processor_ms();
        int taken = crunch_snapshot ? crunch_snapshot("cost") : 0;
        printf("%d %.3f %.3f\n", taken, processor_ms() - before, forked);
        fflush(stdout);
    }
    return 0;
}

static int pauser(size_t mib)
{
    char *volatile block = malloc(mib << 20);
    memset(block, 7, mib << 20);
    signal(SIGUSR1, on_signal);
    printf("ready\n");
    fflush(stdout);
    for (int i = 0; i < 10; i++) {
        pause();
        printf("%d\n", (int)signals);
        fflush(stdout);
    }
    return block == NULL;
}

static unsigned path_seed = 1;

/* A block at the end of one of 2^20 ways of calling. */
static void *wander(int depth)
{
    path_seed = path_seed * 1103515245 + 12345;
    void *volatile block;
    if (!depth)
        return malloc(16);
    if (path_seed >> 20 & 1)
        block = wander(depth - 1);
    else
        block = wander(depth - 1);
    return block;
}

static int places(void)
{
    struct pollfd input = {0, POLLIN, 0};
    while (!poll(&input, 1, 1))
        for (int i = 0; i < 20; i++)
            free(wander(20));
    return 0;
}

static int caller(void)
{
    int taken = 0;
    for (int i = 0; i < 3; i++) {
        char *volatile block = malloc(1000 + (size_t)i);
        errno = 77;
        taken += crunch_snapshot ? crunch_snapshot(i ? i == 1 ? "second\nof three" : NULL : "first") : 0;
        if (errno != 77 || !block)
            return 9;
    }
    return taken;
}

static int forker(void)
{
    pid_t child = fork();
    if (!child) {
        char *volatile block = malloc(333); /* in the child */
        return sleeper(1, 0) || !block;
    }
    int status;
    return wait(&status) != child || status;
}

int main(int argc, char **argv)
{
    const char *way = argv[1];
    int number = argc > 2 ? atoi(argv[2]) : 0;
    if (!strcmp(way, "storm"))
        return storm(number);
    if (!strcmp(way, "grow"))
        return grow(number);
    if (!strcmp(way, "fork"))
        return forker();
    if (!strcmp(way, "call"))
        return caller();
    if (!strcmp(way, "places"))
        return places();
    if (!strcmp(way, "pause"))
        return pauser((size_t)number);
    if (!strcmp(way, "cost"))
        return cost((size_t)number);
    return sleeper((size_t)number, argc > 3);
}
