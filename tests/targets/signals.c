/* What signal queries show, on stdout, and what the program's own handlers see: the same with and without crunch. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *name(void (*handler)(int))
{
    return handler == SIG_DFL ? "default" : handler == SIG_IGN ? "ignore" : handler == SIG_ERR ? "error" : "handler";
}

static void show_dispositions(const char *when)
{
    for (int number = 1; number < 32; number++) {
        struct sigaction action;
        memset(&action, 170, sizeof action);
        if (sigaction(number, NULL, &action))
            continue;
        int masked = 0;
        for (int i = 1; i < 32; i++)
            masked += sigismember(&action.sa_mask, i);
        printf("%s: signal %d %s flags %x mask %d\n", when, number, name(action.sa_handler),
               (unsigned)action.sa_flags & ~0x4000000u, masked); /* without SA_RESTORER, which is libc's */
    }
}

static void show_stack(const char *when)
{
    stack_t stack;
    memset(&stack, 170, sizeof stack);
    int result = sigaltstack(NULL, &stack);
    printf("%s: sigaltstack %d flags %d size %zu pointer %s\n", when, result, stack.ss_flags, stack.ss_size,
           stack.ss_sp ? "set" : "null");
}

static void own(int number) { (void)number; }

static volatile sig_atomic_t seen;
static void count(int number, siginfo_t *info, void *context)
{
    (void)context;
    seen = number * 1000 + (info->si_pid == getpid());
}

static void last_words(int number)
{
    (void)number;
    static const char words[] = "own handler\n";
    if (write(STDOUT_FILENO, words, sizeof words - 1) < 0)
        _exit(98);
    _exit(33);
}

int main(int argc, char **argv)
{
    const char *part = argc > 1 ? argv[1] : "";
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(part, "queries")) {
        show_dispositions("at the start");
        show_stack("at the start");
        printf("signal says %s\n", name(signal(SIGSEGV, own)));
        printf("then %s\n", name(signal(SIGSEGV, SIG_DFL)));
        printf("then %s\n", name(signal(SIGSEGV, SIG_IGN)));
        printf("then %s\n", name(signal(SIGSEGV, SIG_DFL)));
        printf("sysv_signal says %s\n", name(sysv_signal(SIGTERM, own)));
        printf("then %s\n", name(sigset(SIGTERM, SIG_DFL)));
        printf("sigset of SIGTERM says %s\n", name(sigset(SIGTERM, SIG_DFL)));
        printf("an impossible signal says %s\n", name(signal(12345, own)));
        printf("SIGKILL says %s\n", name(signal(SIGKILL, own)));
        show_dispositions("at the end");
        static char memory[65536];
        stack_t mine = {.ss_sp = memory, .ss_size = sizeof memory}, old;
        memset(&old, 170, sizeof old);
        printf("setting a stack: %d, before flags %d\n", sigaltstack(&mine, &old), old.ss_flags);
        show_stack("with a stack");
        mine.ss_flags = SS_DISABLE;
        printf("taking it away: %d\n", sigaltstack(&mine, NULL));
        show_stack("without");
        return 0;
    }
    if (!strcmp(part, "handled")) {
        struct sigaction action = {.sa_sigaction = count, .sa_flags = SA_SIGINFO};
        sigaction(SIGTERM, &action, NULL);
        kill(getpid(), SIGTERM);
        printf("seen %d\n", (int)seen);
        return 5;
    }
    if (!strcmp(part, "crash")) {
        signal(SIGSEGV, last_words);
        *(volatile int *)16 = 1;
    }
    if (!strcmp(part, "crash_on_own_stack")) {
        static char memory[65536];
        stack_t mine = {.ss_sp = memory, .ss_size = sizeof memory};
        struct sigaction action = {.sa_handler = last_words, .sa_flags = SA_ONSTACK};
        sigaltstack(&mine, NULL);
        sigaction(SIGSEGV, &action, NULL);
        *(volatile int *)16 = 1;
    }
    if (!strcmp(part, "ignored")) {
        signal(SIGTERM, SIG_IGN);
        kill(getpid(), SIGTERM);
        return 6;
    }
    if (!strcmp(part, "back_to_default")) {
        signal(SIGTERM, own);
        signal(SIGTERM, SIG_DFL);
        kill(getpid(), SIGTERM);
    }
    if (!strcmp(part, "default_with_siginfo")) { /* the kernel looks at the handler alone */
        struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_SIGINFO};
        sigaction(SIGTERM, &action, NULL);
        kill(getpid(), SIGTERM);
    }
    return 99;
}
