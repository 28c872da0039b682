/* What a tracker may get in the way of, each named by the argument. Ends with 5 if nothing did. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static const struct {
    const char *name;
    void (*run)(void);
} hazards[] = {
    {"after_vfork", after_vfork},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof hazards / sizeof *hazards; i++)
        if (!strcmp(hazards[i].name, argv[1])) {
            hazards[i].run();
            return 5;
        }
    return 99;
}
