/* Ends of processes in awkward places, each named by the argument. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *volatile kept;
static pthread_barrier_t all;

static void *churn(void *unused)
{
    (void)unused;
    for (size_t i = 0;; i++)
        free(malloc(i % 5000));
}

static void *crash_together(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&all);
    *(volatile int *)16 = 1;
    return NULL;
}

static void *exit_together(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&all);
    _exit(5); /* not exit, which only one thread may call */
}

static void start(int count, void *(*work)(void *))
{
    pthread_t thread;
    pthread_barrier_init(&all, NULL, (unsigned)count);
    while (count--)
        pthread_create(&thread, NULL, work, NULL);
}

static void leave(int number)
{
    (void)number;
    _exit(12);
}

static void allocate(void) { kept = malloc(200); }

int main(int argc, char **argv)
{
    const char *corner = argc > 1 ? argv[1] : "";
    if (!strcmp(corner, "at_start")) { /* before anything else may change it */
        int number = errno;
        const char *loader = dlerror();
        sigset_t blocked;
        pthread_sigmask(SIG_BLOCK, NULL, &blocked);
        int count = 0;
        for (int i = 1; i < 65; i++)
            count += sigismember(&blocked, i) == 1;
        printf("errno %d, dlerror %s, %d signals blocked\n", number, loader ? loader : "none", count);
        return 0;
    }
    kept = malloc(100);
    if (!strcmp(corner, "corrupt")) { /* the C library notices inside free, with its lock held */
        void *volatile next = malloc(5000);
        memset(kept, 255, 200);
        free(next);
        free(kept);
    }
    if (!strcmp(corner, "term_while_busy")) {
        start(4, churn);
        usleep(50000);
        kill(getpid(), SIGTERM);
        pause();
    }
    if (!strcmp(corner, "exit_while_busy")) {
        start(4, churn);
        usleep(50000);
        exit(5);
    }
    if (!strcmp(corner, "crash_together")) {
        start(8, crash_together);
        pause();
    }
    if (!strcmp(corner, "exit_together")) {
        start(8, exit_together);
        pause();
    }
    if (!strcmp(corner, "leave_handler")) {
        signal(SIGALRM, leave);
        ualarm(20000, 0);
        churn(NULL);
    }
    if (!strcmp(corner, "atexit")) {
        atexit(allocate);
        return 5;
    }
    if (!strcmp(corner, "protected")) { /* a block whose pages nobody may read has no contents to keep */
        void *volatile pages = aligned_alloc(4096, 8192);
        mprotect(pages, 8192, PROT_NONE);
        _exit(5);
    }
    if (!strcmp(corner, "chdir"))
        return chdir("/") ? 99 : 5;
    if (!strcmp(corner, "clearenv"))
        return clearenv() ? 99 : 5;
    return 98;
}
