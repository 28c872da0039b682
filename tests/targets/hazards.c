/* What a tracker may get in the way of, each named by the argument. Ends with 5 if nothing did. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a vfork child that ends lives in its parent's memory ---- */

static void *volatile kept;

static void after_vfork(void)
{
    pid_t child = vfork();
    if (!child)
        _exit(0);
    waitpid(child, NULL, 0);
    kept = malloc(777); /* seen, as before */
}

/* ---- a forked child without a folder of its own, before its parent is done ---- */

static __attribute__((noinline)) void left(int depth, unsigned way);

static __attribute__((noinline)) void right(int depth, unsigned way)
{
    if (!depth)
        free(malloc(16));
    else
        (way & 1 ? left : right)(depth - 1, way >> 1);
}

static __attribute__((noinline)) void left(int depth, unsigned way)
{
    if (!depth)
        free(malloc(16));
    else
        (way & 1 ? left : right)(depth - 1, way >> 1);
}

/* Call stacks that nobody has had: the recording grows. */
static void grow(unsigned from)
{
    for (unsigned way = from; way < from + 2048; way++)
        right(13, way);
}

static void unrecorded_child(void)
{
    int ready[2];
    char byte = 0;
    pipe(ready);
    pid_t child = fork();
    if (!child) {
        read(ready[0], &byte, 1);
        for (unsigned i = 1; i < 4; i++)
            grow(i * 2048);
        _exit(0);
    }
    grow(0);
    write(ready[1], &byte, 1);
    waitpid(child, NULL, 0);
}

/* ---- a signal handler that forks, whatever it interrupts ---- */

static void soon(void)
{
    struct itimerval once = {{0, 0}, {0, 300}};
    setitimer(ITIMER_REAL, &once, NULL);
}

static void fork_now(int number)
{
    pid_t child = fork();
    (void)number;
    if (!child)
        _exit(0);
    waitpid(child, NULL, 0);
    soon();
}

static void forking_handler(void)
{
    struct sigaction action = {.sa_handler = fork_now, .sa_flags = SA_RESTART};
    struct itimerval never = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, NULL);
    soon();
    for (unsigned way = 0; way < 1u << 16; way++)
        right(16, way);
    setitimer(ITIMER_REAL, &never, NULL);
}

/* ---- a thread that is cancelled while the recording grows: malloc is no place for it ---- */

static void *grow_cancelled(void *unused)
{
    pthread_cancel(pthread_self());
    grow(0);
    kept = malloc(777);
    pthread_testcancel();
    return unused;
}

static void cancelled(void)
{
    pthread_t thread;
    void *result = NULL;
    pthread_create(&thread, NULL, grow_cancelled, NULL);
    pthread_join(thread, &result);
    grow(2048);
    if (!kept || result != PTHREAD_CANCELED)
        exit(6);
}

/* ---- the recording grows while there is no descriptor for it ---- */

static void no_descriptors(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_NOFILE, &none);
    for (int i = 0; i < 10; i++) { /* so long that points of the timeline are due, which ask /proc */
        usleep(20000);
        errno = 0;
        grow((unsigned)i * 2048);
        if (errno)
            exit(6);
    }
}

/* ---- modules are closed while the loader, at the ends of threads with large stacks, frees memory ---- */

static const char *plugin;
static atomic_bool closed;

static void *nothing(void *unused) { return unused; }

static void *start_threads(void *unused)
{
    pthread_attr_t large;
    pthread_attr_init(&large);
    pthread_attr_setstacksize(&large, (size_t)64 << 20);
    while (!closed) {
        pthread_t thread;
        if (pthread_create(&thread, &large, nothing, NULL))
            break;
        pthread_join(thread, NULL);
    }
    return unused;
}

static void use_plugin(int times)
{
    for (int i = 0; i < times; i++) {
        void *module = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
        int (*run)(void) = (int (*)(void))dlsym(module, "plugin_run");
        run();
        dlclose(module);
    }
}

static void closing(void)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, start_threads, NULL);
    use_plugin(1000);
    closed = true;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

/* ---- memory for modules that come and go is what their call stacks need ---- */

static long mapped_pages(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    fscanf(file, "%ld", &pages);
    fclose(file);
    return pages;
}

static void reopening(void)
{
    use_plugin(500);
    long before = mapped_pages();
    use_plugin(1500);
    if (mapped_pages() - before > 4096) /* the plug-in itself keeps 9 MB */
        exit(6);
}

static const struct {
    const char *name;
    void (*run)(void);
} hazards[] = {
    {"after_vfork", after_vfork}, {"unrecorded_child", unrecorded_child}, {"forking_handler", forking_handler},
    {"cancelled", cancelled},     {"no_descriptors", no_descriptors},     {"closing", closing},
    {"reopening", reopening},
};

int main(int argc, char **argv)
{
    plugin = argv[argc - 1];
    for (size_t i = 0; argc > 1 && i < sizeof hazards / sizeof *hazards; i++)
        if (!strcmp(hazards[i].name, argv[1])) {
            hazards[i].run();
            return 5;
        }
    return 99;
}
