/* signals_darwin.c - what a signal handler's siginfo means on macOS.
 *
 * The kernel's si_code is not to be trusted: 0 for signals sent by a process (headers say SI_USER) but also for an address that is
 * none (x86_64), the same constant for every SIGSEGV and every SIGBUS (arm64). What the processor said is in the context. SIGSEGV is
 * raised where nothing is mapped, SIGBUS where something is mapped that allows no such access. */
#include "platform/platform.h"

#include <sys/ucontext.h>

#include "base/banned.h"

enum fault {
    FAULT_NONE,      /* the thread was in a system call or interrupted: the signal was sent */
    FAULT_OTHER,     /* what the signal's number says */
    FAULT_PROTECTED, /* the page is there */
    FAULT_MISALIGNED,
    FAULT_NO_ADDRESS, /* not canonical */
};

#if defined(__x86_64__)

/* Numbers of the processor's exceptions; above 31 come interrupts and system calls. */
enum { GENERAL_PROTECTION = 13, PAGE_FAULT = 14, ALIGNMENT_CHECK = 17, LAST_EXCEPTION = 31 };

static enum fault last_fault(const ucontext_t *context)
{
    unsigned trap = context->uc_mcontext->__es.__trapno;
    bool present = context->uc_mcontext->__es.__err & 1;
    switch (trap) {
    case GENERAL_PROTECTION: return FAULT_NO_ADDRESS;
    case PAGE_FAULT: return present ? FAULT_PROTECTED : FAULT_OTHER;
    case ALIGNMENT_CHECK: return FAULT_MISALIGNED;
    default: return trap <= LAST_EXCEPTION ? FAULT_OTHER : FAULT_NONE;
    }
}

#else

/* Classes of exceptions, and status codes of memory aborts, in ESR_EL1 (Arm Architecture Reference Manual, D24.2). */
enum { SYSTEM_CALL = 0x15, FETCH_ABORT = 0x20, MISALIGNED_PC = 0x22, DATA_ABORT = 0x24, MISALIGNED_SP = 0x26 };
enum { ALIGNMENT_FAULT = 0x21, PERMISSION_FAULT = 0x0c, LEVEL_MASK = 0x03, STATUS_MASK = 0x3f };

static enum fault last_fault(const ucontext_t *context)
{
    uint32_t syndrome = (uint32_t)context->uc_mcontext->__es.__esr;
    uint32_t status = syndrome & STATUS_MASK;
    switch (syndrome >> 26) {
    case SYSTEM_CALL: return FAULT_NONE;
    case MISALIGNED_PC:
    case MISALIGNED_SP: return FAULT_MISALIGNED;
    case FETCH_ABORT:
    case DATA_ABORT:
        if (status == ALIGNMENT_FAULT)
            return FAULT_MISALIGNED;
        return (status & ~(uint32_t)LEVEL_MASK) == PERMISSION_FAULT ? FAULT_PROTECTED : FAULT_OTHER;
    default: return FAULT_OTHER;
    }
}

#endif

static int cause_of_segv(enum fault fault)
{
    switch (fault) {
    case FAULT_PROTECTED: return SEGV_ACCERR;
    case FAULT_NO_ADDRESS: return CR_OS_NO_ADDRESS;
    default: return SEGV_MAPERR;
    }
}

void cr_os_read_signal(siginfo_t *info, const void *context)
{
    enum fault fault = last_fault(context);
    switch (info->si_signo) {
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGTRAP:
    case SIGEMT:
        if (fault == FAULT_NONE)
            info->si_code = SI_USER;
        else if (info->si_signo == SIGSEGV)
            info->si_code = cause_of_segv(fault);
        else if (info->si_signo == SIGBUS)
            info->si_code = fault == FAULT_MISALIGNED ? BUS_ADRALN : CR_OS_BUS_ACCESS;
        break;
    default:
        if (!info->si_code && info->si_pid)
            info->si_code = SI_USER;
    }
}

/* It strikes at the faulting instruction, and the system's crash report is about the fault, which the kernel remembers. */
void cr_os_signal_again(const siginfo_t *info) { raise(info->si_signo); }
