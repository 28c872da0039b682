/* Blocks in sections of crunch.h: two threads, each in its own and by the same functions; a child; names that are too many or too long. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/crunch.h"

#define ROUNDS 50

static void *kept[4 * ROUNDS + 2000];
static int count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) void grab(size_t size)
{
    void *block = malloc(size);
    pthread_mutex_lock(&lock);
    kept[count++] = block;
    pthread_mutex_unlock(&lock);
}

/* The same call stack under two names and under none, in a loop that would find it among the recent ones. */
static void *work(void *argument)
{
    const char *const *names = argument;
    for (int i = 0; i < 3 * ROUNDS; i++) {
        crunch_section(i % 3 < 2 ? names[i % 3] : NULL);
        grab(i % 3 < 2 ? strlen(names[i % 3]) : 1);
    }
    return NULL;
}

static int two_threads(void)
{
    static const char *names[2][2] = {{"loading", "parsing the input"}, {"drawing", "ev;il\x1b[2J<b>"}};
    pthread_t thread[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, work, names[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    grab(1000); /* this thread is in none */
    return 0;
}

static int forked(void)
{
    int status = 1;
    crunch_section("family");
    grab(10);
    pid_t child = fork();
    if (!child) {
        grab(20);
        crunch_section("child");
        grab(30);
        exit(0);
    }
    waitpid(child, &status, 0);
    crunch_snapshot("both");
    return status;
}

static int many(int with)
{
    char name[202];
    for (int i = 0; i < 1002; i++) {
        snprintf(name, sizeof name, "request %d", i);
        if (crunch_section(name) != (with && i < 1000))
            return 1;
        grab(1);
    }
    if (crunch_section("request 7") != with)
        return 2;
    grab(1);
    memset(name, 'x', 201);
    name[201] = 0;
    return crunch_section(name) ? 3 : crunch_section("") != with ? 4 : 0;
}

int main(int arguments, char **argument)
{
    int with = arguments > 2;
    if (arguments > 1 && !strcmp(argument[1], "threads"))
        return two_threads();
    if (arguments > 1 && !strcmp(argument[1], "fork"))
        return forked();
    return many(with);
}
