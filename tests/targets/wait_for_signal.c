/* Keeps a block of 55 bytes, says "ready" and waits for the signal that ends it. With "handle" SIGTERM makes it return 21; with
 * "report" it says "continued" after each SIGCONT. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(98);
}

static volatile sig_atomic_t terminated;
static void terminate(int number) { terminated = number; }
static void go_on(int number)
{
    (void)number;
    say("continued\n");
}

int main(int argc, char **argv)
{
    void *volatile block = malloc(55); /* block: malloc 55 */
    if (argc > 1 && !strcmp(argv[1], "handle"))
        signal(SIGTERM, terminate);
    if (argc > 1 && !strcmp(argv[1], "report"))
        signal(SIGCONT, go_on);
    say("ready\n");
    while (!terminated)
        usleep(10000); /* not pause, which would sleep on if the signal came just before it */
    return block ? 21 : 99;
}
