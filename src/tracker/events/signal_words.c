/* signal_words.c - see signal_words.h. Codes that a system does not have are left out by #ifdef on the code itself. */
#include "events/signal_words.h"

#include <stddef.h>

#include "platform/platform.h"
#include "base/banned.h"

const struct cr_signal cr_signals[] = {
    {SIGSEGV, "SIGSEGV", "illegal access", true, true},
    {SIGBUS, "SIGBUS", "bus error", true, true},
    {SIGILL, "SIGILL", "illegal instruction", true, true},
    {SIGFPE, "SIGFPE", "arithmetic error", true, true},
    {SIGABRT, "SIGABRT", "aborted", true, false},
    {SIGTRAP, "SIGTRAP", "trap", true, true},
    {SIGSYS, "SIGSYS", "bad system call", true, true},
#ifdef SIGEMT
    {SIGEMT, "SIGEMT", "emulated instruction", true, true},
#endif
    {SIGTERM, "SIGTERM", "terminated", false, false},
    {SIGINT, "SIGINT", "interrupted", false, false},
    {SIGHUP, "SIGHUP", "hung up", false, false},
    {SIGQUIT, "SIGQUIT", "quit", false, false},
    {SIGPIPE, "SIGPIPE", "write to a closed pipe", false, false},
    {SIGALRM, "SIGALRM", "alarm clock", false, false},
    {SIGVTALRM, "SIGVTALRM", "virtual alarm clock", false, false},
    {SIGPROF, "SIGPROF", "profiling timer", false, false},
    {SIGUSR1, "SIGUSR1", "user signal 1", false, false},
    {SIGUSR2, "SIGUSR2", "user signal 2", false, false},
    {SIGXCPU, "SIGXCPU", "over the CPU time limit", false, false},
    {SIGXFSZ, "SIGXFSZ", "over the file size limit", false, false},
};
const int cr_signal_count = sizeof cr_signals / sizeof *cr_signals;

const struct cr_signal *cr_signal_find(int number)
{
    for (int i = 0; i < cr_signal_count; i++)
        if (cr_signals[i].number == number)
            return &cr_signals[i];
    return NULL;
}

bool cr_signal_sent(const siginfo_t *info)
{
    if (info->si_code == SI_USER || info->si_code == SI_QUEUE)
        return true;
#ifdef SI_TKILL
    if (info->si_code == SI_TKILL)
        return true;
#endif
    return false;
}

struct cause {
    int number, code;
    const char *words;
};

static const struct cause causes[] = {
    {SIGSEGV, SEGV_MAPERR, "address not mapped"},
    {SIGSEGV, SEGV_ACCERR, "access not allowed there"},
#ifdef SEGV_BNDERR
    {SIGSEGV, SEGV_BNDERR, "bounds check failed"},
#endif
#ifdef SEGV_PKUERR
    {SIGSEGV, SEGV_PKUERR, "access denied by a protection key"},
#endif
    {SIGBUS, BUS_ADRALN, "address not aligned"},
    {SIGBUS, BUS_ADRERR, "no memory behind the address (a mapped file that is too short, or out of memory)"},
    {SIGBUS, BUS_OBJERR, "hardware error"},
    {SIGBUS, CR_OS_BUS_ACCESS, "access not allowed there, or a mapped file that is too short"},
    {SIGILL, ILL_ILLOPC, "illegal opcode"},
    {SIGILL, ILL_ILLOPN, "illegal operand"},
    {SIGILL, ILL_ILLADR, "illegal addressing mode"},
    {SIGILL, ILL_ILLTRP, "illegal trap"},
    {SIGILL, ILL_PRVOPC, "privileged opcode"},
    {SIGILL, ILL_PRVREG, "privileged register"},
    {SIGILL, ILL_COPROC, "coprocessor error"},
    {SIGILL, ILL_BADSTK, "internal stack error"},
    {SIGFPE, FPE_INTDIV, "integer division by zero"},
    {SIGFPE, FPE_INTOVF, "integer overflow"},
    {SIGFPE, FPE_FLTDIV, "floating point division by zero"},
    {SIGFPE, FPE_FLTOVF, "floating point overflow"},
    {SIGFPE, FPE_FLTUND, "floating point underflow"},
    {SIGFPE, FPE_FLTRES, "floating point result inexact"},
    {SIGFPE, FPE_FLTINV, "invalid floating point operation"},
    {SIGFPE, FPE_FLTSUB, "subscript out of range"},
    {SIGTRAP, TRAP_BRKPT, "breakpoint"},
    {SIGTRAP, TRAP_TRACE, "trace trap"},
#ifdef SYS_SECCOMP
    {SIGSYS, SYS_SECCOMP, "system call forbidden by a seccomp filter"},
#endif
};

const char *cr_signal_cause(const siginfo_t *info)
{
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (causes[i].number == info->si_signo && causes[i].code == info->si_code)
            return causes[i].words;
    if (cr_signal_sent(info))
        return "sent by a process";
    if (info->si_code == CR_OS_NO_ADDRESS)
        return info->si_signo == SIGSEGV ? "general protection fault: the address is not canonical"
                                         : "sent by the kernel";
#ifdef SI_TIMER
    if (info->si_code == SI_TIMER)
        return "a timer ran out";
#endif
    return "unknown";
}
