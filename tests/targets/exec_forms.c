/* Becomes sh, which exits with 4, by the exec function its argument names. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    const char *form = argc > 1 ? argv[1] : "";
    char *const words[] = {"sh", "-c", "exit 4", NULL};
    void *volatile kept = malloc(100); /* block: malloc 100 */
    if (!strcmp(form, "execl"))
        execl("/bin/sh", "sh", "-c", "exit 4", (char *)NULL);
    if (!strcmp(form, "execlp"))
        execlp("sh", "sh", "-c", "exit 4", (char *)NULL);
    if (!strcmp(form, "execle"))
        execle("/bin/sh", "sh", "-c", "exit 4", (char *)NULL, environ);
    if (!strcmp(form, "execv"))
        execv("/bin/sh", words);
    if (!strcmp(form, "execvp"))
        execvp("sh", words);
    if (!strcmp(form, "execve"))
        execve("/bin/sh", words, environ);
    if (!strcmp(form, "execvpe"))
        execvpe("sh", words, environ);
    if (!strcmp(form, "fexecve"))
        fexecve(open("/bin/sh", O_RDONLY), words, environ);
    if (!strcmp(form, "execveat"))
        execveat(AT_FDCWD, "/bin/sh", words, environ, 0);
    if (!strcmp(form, "posix_spawnp")) {
        pid_t child;
        int status;
        if (posix_spawnp(&child, "sh", NULL, NULL, words, environ) || waitpid(child, &status, 0) != child)
            return 99;
        return WEXITSTATUS(status);
    }
    return kept ? 98 : 99;
}
