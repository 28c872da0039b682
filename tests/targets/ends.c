/* Ends in the way its argument names, after three allocations, one realloc and one free: 2 blocks of 350 bytes live. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *volatile kept[2];

static void use_the_heap(void)
{
    void *volatile gone = malloc(1000); /* the peak is here: 1000 + 100 + 200 */
    kept[0] = malloc(100);              /* block: malloc 100 */
    kept[1] = malloc(200);
    free(gone);
    kept[1] = realloc(kept[1], 250); /* block: realloc 250 */
}

static void *exit_in_thread(void *unused)
{
    (void)unused;
    exit(9);
}

static void *outlive_main(void *main_thread)
{
    pthread_join(*(pthread_t *)main_thread, NULL);
    return NULL;
}

static int dig(int depth)
{
    volatile char here[4096];
    here[0] = (char)depth;
    return dig(depth + 1) + here[0];
}

static void read_behind_the_end_of_a_file(void)
{
    FILE *file = tmpfile();
    volatile char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);
    page[0];
}

static void write_to_nobody(void)
{
    int ends[2];
    if (pipe(ends))
        exit(99);
    close(ends[0]);
    if (write(ends[1], "x", 1))
        exit(99);
}

static volatile int zero;

int main(int argc, char **argv)
{
    const char *end = argc > 1 ? argv[1] : "";
    static pthread_t self, other;
    if (strcmp(end, "bus"))
        use_the_heap();
    if (!strcmp(end, "return"))
        return 7;
    if (!strcmp(end, "exit"))
        exit(7);
    if (!strcmp(end, "_exit"))
        _exit(7);
    if (!strcmp(end, "_Exit"))
        _Exit(7);
    if (!strcmp(end, "quick_exit"))
        quick_exit(7);
    if (!strcmp(end, "exit_group"))
        syscall(SYS_exit_group, 7);
    if (!strcmp(end, "abort"))
        abort();
    if (!strcmp(end, "segv"))
        *(volatile int *)16 = 1;
    if (!strcmp(end, "noncanonical"))
        *(volatile int *)0x8000000000000000 = 1;
    if (!strcmp(end, "bus"))
        read_behind_the_end_of_a_file();
    if (!strcmp(end, "ill"))
        __builtin_trap();
    if (!strcmp(end, "fpe"))
        return 1000 / zero;
    if (!strcmp(end, "trap"))
        __asm__ volatile("int3");
    if (!strcmp(end, "pipe"))
        write_to_nobody();
    if (!strcmp(end, "overflow"))
        return dig(0);
    if (!strcmp(end, "exec"))
        execl("/bin/true", "true", (char *)NULL);
    if (!strcmp(end, "failed_exec")) {
        execl("/nonexistent/program", "program", (char *)NULL);
        return 8;
    }
    if (!strcmp(end, "thread_exit") && !pthread_create(&other, NULL, exit_in_thread, NULL))
        pthread_join(other, NULL);
    if (!strcmp(end, "pthread_exit")) {
        self = pthread_self();
        pthread_create(&other, NULL, outlive_main, &self);
        pthread_exit(NULL);
    }
    if (atoi(end) > 0) /* the number of a signal, to its default action */
        kill(getpid(), atoi(end));
    return 99;
}
