/* events/signal_words: which signals are watched, and their causes in words. */
#include "events/signal_words.h"

#include <string.h>

#include "tap.h"

static const char *cause(int number, int code)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = number;
    info.si_code = code;
    return cr_signal_cause(&info);
}

static bool sent(int number, int code)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = number;
    info.si_code = code;
    return cr_signal_sent(&info);
}

static void test_list(void)
{
    bool named = true, unique = true;
    for (int i = 0; i < cr_signal_count; i++) {
        named = named && !strncmp(cr_signals[i].name, "SIG", 3) && cr_signals[i].words[0];
        unique = unique && cr_signal_find(cr_signals[i].number) == &cr_signals[i];
        ok(!cr_signals[i].address || cr_signals[i].crash, "%s: only a crash has an address", cr_signals[i].name);
    }
    ok(named, "every signal has a name and words");
    ok(unique, "every signal is found by its number");

    const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        ok(cr_signal_find(crashes[i]) && cr_signal_find(crashes[i])->crash, "signal %d is a crash", crashes[i]);
    const int ends[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT, SIGALRM};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        ok(cr_signal_find(ends[i]) && !cr_signal_find(ends[i])->crash, "signal %d is watched and no crash", ends[i]);
    const int others[] = {SIGKILL, SIGSTOP, SIGCHLD, SIGCONT, SIGTSTP, SIGURG, SIGWINCH, 0, -1, 12345};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ok(!cr_signal_find(others[i]), "signal %d is not watched: it does not end a process, or nobody can", others[i]);
}

static void test_causes(void)
{
    ok(!strcmp(cause(SIGSEGV, SEGV_MAPERR), "address not mapped"), "a wild pointer");
    ok(!strcmp(cause(SIGSEGV, SEGV_ACCERR), "access not allowed there"), "a write to read-only memory");
    ok(!strcmp(cause(SIGFPE, FPE_INTDIV), "integer division by zero"), "a division by zero");
    ok(!strcmp(cause(SIGBUS, BUS_ADRALN), "address not aligned"),
       "the same code means another thing for another signal");
    ok(!strcmp(cause(SIGTERM, SI_USER), "sent by a process"), "kill");
    ok(!strcmp(cause(SIGSEGV, SI_USER), "sent by a process"), "kill of a crash signal");
    ok(!strcmp(cause(SIGSEGV, 12345), "unknown"), "a code of the future");
    ok(sent(SIGTERM, SI_USER) && sent(SIGTERM, SI_QUEUE), "kill and sigqueue have a sender");
    ok(!sent(SIGSEGV, SEGV_MAPERR) && !sent(SIGFPE, FPE_INTDIV), "a fault has none");
}

int main(void)
{
    test_list();
    test_causes();
    return tap_done();
}
