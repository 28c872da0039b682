/* What both systems show alike; the argument says what: end STATUS, threads, child, execs PROGRAM, double, inside, null, overrun, late, guarded,
 * sleep. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define BLOCKS 25

static void *volatile kept[THREADS * BLOCKS];

static void *allocate(void *number)
{
    size_t first = (size_t)number * BLOCKS;
    for (size_t i = first; i < first + BLOCKS; i++) {
        free(malloc(50));
        kept[i] = malloc(100);
    }
    return NULL;
}

static int threads(void)
{
    pthread_t thread[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, allocate, (void *)i);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    return 0;
}

static int child(char *const *command)
{
    int status = 0;
    kept[0] = malloc(1001);
    pid_t pid = fork();
    if (!pid && command)
        _exit(execv(command[0], command));
    if (!pid) {
        kept[1] = malloc(1002);
        exit(3);
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static int several(void)
{
    kept[0] = calloc(4, 25);
    kept[1] = realloc(malloc(10), 300);
    if (posix_memalign((void **)&kept[2], 64, 128))
        return 1;
    free(strdup("a copy that the C library allocates"));
    return 0;
}

static int wrong(const char *how)
{
    char *volatile block = malloc(32);
    free(how[0] == 'd' ? block : block + 16);
    free(block); /* the error, or right */
    return 0;
}

static int beside(const char *how)
{
    char *volatile block = malloc(24);
    if (how[0] == 'l')
        free(block); /* late */
    block[how[0] == 'l' ? 3 : 24] = 1;
    if (how[0] == 'o')
        free(block);
    return 0;
}

static int guarded(void)
{
    char *volatile block = malloc(4096);
    block[4096 + 16] = 1;
    return 0;
}

static int null(void)
{
    int *volatile nowhere = NULL;
    return nowhere[2];
}

static int waiting(void)
{
    kept[0] = memset(malloc(70000), 7, 70000);
    puts("here");
    fflush(stdout);
    return getchar() == 'x';
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "end"))
        return several() ? 99 : atoi(argv[2]);
    if (!strcmp(what, "threads"))
        return threads();
    if (!strcmp(what, "child"))
        return child(NULL);
    if (!strcmp(what, "execs"))
        return child(argv + 2);
    if (!strcmp(what, "double") || !strcmp(what, "inside"))
        return wrong(what);
    if (!strcmp(what, "overrun") || !strcmp(what, "late"))
        return beside(what);
    if (!strcmp(what, "guarded"))
        return guarded();
    return !strcmp(what, "sleep") ? waiting() : null();
}
