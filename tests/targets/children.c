/* Makes a child in the way its argument names and waits for it. The parent keeps 1 block of 111 bytes; a forked child makes two
 * more, of 222 and 333 bytes, and frees the first and the inherited one. */
#define _GNU_SOURCE
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static void *volatile own;

static void live_as_child(void)
{
    void *volatile gone = malloc(222);
    void *volatile stays = malloc(333); /* block: malloc 333 */
    free(gone);
    free(own);
    _exit(stays ? 4 : 99);
}

static int status_of(pid_t child)
{
    int status = 0;
    waitpid(child, &status, 0);
    printf("%d\n", (int)child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void sleep_ms(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    char *const words[] = {"sh", "-c", "exit 4", NULL};
    pid_t child = 0;
    own = malloc(111); /* block: malloc 111 */

    if (!strcmp(way, "fork") || !strcmp(way, "_Fork")) {
        if (!(child = way[0] == 'f' ? fork() : _Fork()))
            live_as_child();
        return status_of(child);
    }
    if (!strcmp(way, "crash")) {
        if (!(child = fork()))
            abort();
        return status_of(child);
    }
    if (!strcmp(way, "exec")) {
        if (!(child = fork()))
            execv("/bin/sh", words);
        return status_of(child);
    }
    if (!strcmp(way, "vfork")) {
        if (!(child = vfork())) {
            execv("/bin/sh", words);
            _exit(98);
        }
        return status_of(child);
    }
    if (!strcmp(way, "vfork_exit")) {
        if (!(child = vfork()))
            _exit(4);
        return status_of(child);
    }
    if (!strcmp(way, "failed_vfork")) {
        if (!(child = vfork())) {
            execv("/nonexistent/program", words);
            _exit(4);
        }
        return status_of(child);
    }
    if (!strcmp(way, "spawn"))
        return posix_spawn(&child, "/bin/sh", NULL, NULL, words, environ) ? 97 : status_of(child);
    if (!strcmp(way, "system"))
        return WEXITSTATUS(system("exit 4"));
    if (!strcmp(way, "popen")) {
        char line[100] = "";
        FILE *pipe = popen("echo hello", "r");
        int right = fgets(line, sizeof line, pipe) && !strcmp(line, "hello\n");
        return pclose(pipe) == 0 && right ? 4 : 97;
    }
    if (!strcmp(way, "daemon")) { /* the daemon outlives everybody and says so in the file of the second argument */
        if (!(child = fork())) {
            setsid();
            for (int fd = 0; fd < 3; fd++)
                close(fd);
            if (fork())
                _exit(4);
            free(malloc(1));
            sleep_ms(700);
            FILE *file = fopen(argv[2], "w");
            fprintf(file, "%d\n", (int)getpid());
            fclose(file);
            exit(0);
        }
        return status_of(child);
    }
    if (!strcmp(way, "many")) { /* one after the other, 20 at a time */
        int right = 1, count = atoi(argv[2]);
        for (int i = 0; i < count; i++) {
            if (i >= 20)
                right &= wait(&(int){0}) > 0;
            if (!(child = fork()))
                live_as_child();
        }
        while (wait(NULL) > 0)
            ;
        return right ? 4 : 97;
    }
    if (!strcmp(way, "busy_parent") || !strcmp(way, "_busy_parent")) { /* its counts go on while the children start */
        for (int i = 0; i < 50; i++) {
            if (!(child = way[0] == '_' ? _Fork() : fork()))
                _exit(4);
            for (int j = 0; j < 100; j++)
                own = malloc(10);
        }
        while (wait(NULL) > 0)
            ;
        return 4;
    }
    if (!strcmp(way, "contents")) { /* every child leaves its 333 bytes */
        for (int i = 0; i < 5; i++) {
            if (!(child = fork()))
                live_as_child();
            waitpid(child, NULL, 0);
        }
        return 4;
    }
    return 99;
}
