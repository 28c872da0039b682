/* fault_linux.c - fault.h for Linux with glibc. */
#include "platform/fault.h"

#include <string.h>
#include <ucontext.h>

#if defined(__x86_64__)
#include "platform/fault_x86_64.h"
#else
#include "platform/fault_aarch64.h"
#endif
#include "base/banned.h"

/* ---- registers ---- */

#if defined(__x86_64__)

static const uint8_t order[16] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

size_t cr_os_list_registers(const void *context, struct cr_os_register *list)
{
    static const struct {
        const char *name;
        int number;
    } more[] = {{"rip", REG_RIP}, {"eflags", REG_EFL}, {"trapno", REG_TRAPNO}, {"err", REG_ERR}, {"cr2", REG_CR2}};
    const greg_t *words = ((const ucontext_t *)context)->uc_mcontext.gregs;
    size_t n = 0;
    for (unsigned i = 0; i < 16; i++)
        list[n++] = (struct cr_os_register){cr_os_register_name(i), (uint64_t)words[order[i]]};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        list[n++] = (struct cr_os_register){more[i].name, (uint64_t)words[more[i].number]};
    return n;
}

enum cr_access cr_os_access(const void *context)
{
    const greg_t *words = ((const ucontext_t *)context)->uc_mcontext.gregs;
    return cr_arch_access((uint64_t)words[REG_TRAPNO], (uint64_t)words[REG_ERR]);
}

#else

/* The records behind the registers, of which one is the exception syndrome (arch/arm64/include/uapi/asm/sigcontext.h). */
static uint64_t syndrome(const mcontext_t *machine)
{
    enum { SYNDROME = 0x45535201, HEAD_BYTES = 8 };
    const uint8_t *at = (const uint8_t *)machine->__reserved, *end = at + sizeof machine->__reserved;
    while (at + HEAD_BYTES + sizeof(uint64_t) <= end) {
        uint32_t head[2];
        uint64_t value;
        memcpy(head, at, sizeof head);
        memcpy(&value, at + HEAD_BYTES, sizeof value);
        if (head[0] == SYNDROME)
            return value;
        if (!head[0] || head[1] < HEAD_BYTES)
            break;
        at += head[1];
    }
    return 0;
}

size_t cr_os_list_registers(const void *context, struct cr_os_register *list)
{
    const mcontext_t *machine = &((const ucontext_t *)context)->uc_mcontext;
    size_t n = 0;
    for (unsigned i = 0; i < 31; i++)
        list[n++] = (struct cr_os_register){cr_os_register_name(i), machine->regs[i]};
    list[n++] = (struct cr_os_register){"sp", machine->sp};
    list[n++] = (struct cr_os_register){"pc", machine->pc};
    list[n++] = (struct cr_os_register){"pstate", machine->pstate};
    list[n++] = (struct cr_os_register){"far", machine->fault_address};
    list[n++] = (struct cr_os_register){"esr", syndrome(machine)};
    return n;
}

enum cr_access cr_os_access(const void *context)
{
    return cr_arch_access(syndrome(&((const ucontext_t *)context)->uc_mcontext));
}

#endif

/* Frames of signals, as the kernel lays them (arch/x86/include/asm/sigframe.h, arch/arm64/kernel/signal.c): on x86-64 the context, as the
 * kernel knows it, then siginfo_t; on aarch64 the other way round. */
#if defined(__x86_64__)
enum { CONTEXT_AT = 0, CONTEXT_LEAST = 304, INFO_AT = 304 };
#else
enum { CONTEXT_AT = 128, CONTEXT_LEAST = 176 + 280, INFO_AT = 0 };
#endif

#if defined(__x86_64__)

bool cr_os_is_last_fault(const siginfo_t *info, const void *context)
{
    enum { DIVISION = 0, OPCODE = 6, PROTECTION = 13 };
    const greg_t *words = ((const ucontext_t *)context)->uc_mcontext.gregs;
    uint64_t address = (uintptr_t)info->si_addr;
    switch (words[REG_TRAPNO]) {
    case DIVISION: return info->si_signo == SIGFPE && address == (uint64_t)words[REG_RIP];
    case OPCODE: return info->si_signo == SIGILL && address == (uint64_t)words[REG_RIP];
    case PROTECTION: return info->si_signo == SIGSEGV && info->si_code == SI_KERNEL;
    case CR_ARCH_PAGE_FAULT:
        return (info->si_signo == SIGSEGV || info->si_signo == SIGBUS) && info->si_code > 0 &&
               address == (uint64_t)words[REG_CR2];
    default: return false;
    }
}

bool cr_os_last_page_fault(const void *context, siginfo_t *info)
{
    const greg_t *words = ((const ucontext_t *)context)->uc_mcontext.gregs;
    if (words[REG_TRAPNO] != CR_ARCH_PAGE_FAULT)
        return false;
    memset(info, 0, sizeof *info);
    info->si_signo = SIGSEGV;
    info->si_code = words[REG_ERR] & 1 ? SEGV_ACCERR : SEGV_MAPERR;
    info->si_addr = (void *)words[REG_CR2];
    return true;
}

#else

bool cr_os_is_last_fault(const siginfo_t *info, const void *context)
{
    const mcontext_t *machine = &((const ucontext_t *)context)->uc_mcontext;
    uint64_t address = (uintptr_t)info->si_addr;
    bool access = info->si_signo == SIGSEGV || info->si_signo == SIGBUS;
    bool code = info->si_signo == SIGILL || info->si_signo == SIGFPE;
    return info->si_code > 0 && ((access && address == machine->fault_address) || (code && address == machine->pc));
}

bool cr_os_last_page_fault(const void *context, siginfo_t *info)
{
    (void)context, (void)info;
    return false; /* instructions are not read here so far that the address could be compared */
}

#endif

const void *cr_os_handled(uintptr_t sp, siginfo_t *info)
{
    static ucontext_t context;
    memset(&context, 0, sizeof context);
    bool whole = cr_os_read_memory(sp + INFO_AT, info, sizeof *info) == sizeof *info &&
                 cr_os_read_memory(sp + CONTEXT_AT, &context, sizeof context) >= CONTEXT_LEAST;
    return whole ? &context : NULL;
}

/* ---- last words ---- */

/* Kept by glibc for debuggers (assert.c, libc_fatal.c); weak, since it is private. */
struct abort_message {
    unsigned bytes;
    char text[];
};
extern struct abort_message *__abort_msg __attribute__((weak));

const char *cr_os_abort_message(void) { return &__abort_msg && __abort_msg ? __abort_msg->text : NULL; }

/* Of libstdc++ and libc++abi. A std::type_info is a table of functions and a name (Itanium C++ ABI 2.9.4). */
struct type_info {
    const void *functions;
    const char *name;
};
extern const struct type_info *__cxa_current_exception_type(void) __attribute__((weak));

const char *cr_os_exception_type(void)
{
    const struct type_info *type = __cxa_current_exception_type ? __cxa_current_exception_type() : NULL;
    return type ? type->name : NULL;
}

int cr_os_system_call(const siginfo_t *info) { return info->si_syscall; }
