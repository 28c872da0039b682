/* fault_darwin.c - fault.h for macOS. */
#include "platform/fault.h"

#include <sys/ucontext.h>

#if defined(__x86_64__)
#include "platform/fault_x86_64.h"
#else
#include "platform/fault_aarch64.h"
#endif
#include "base/banned.h"

#if defined(__x86_64__)

#define GENERAL_REGISTERS 16

enum cr_access cr_os_access(const void *context)
{
    const ucontext_t *signal = context;
    return cr_arch_access(signal->uc_mcontext->__es.__trapno, signal->uc_mcontext->__es.__err);
}

static size_t list_more(const ucontext_t *signal, const struct cr_os_registers *registers, struct cr_os_register *list)
{
    list[0] = (struct cr_os_register){"rip", registers->pc};
    list[1] = (struct cr_os_register){"eflags", signal->uc_mcontext->__ss.__rflags};
    list[2] = (struct cr_os_register){"trapno", signal->uc_mcontext->__es.__trapno};
    list[3] = (struct cr_os_register){"err", signal->uc_mcontext->__es.__err};
    list[4] = (struct cr_os_register){"cr2", signal->uc_mcontext->__es.__faultvaddr};
    return 5;
}

#else

#define GENERAL_REGISTERS 32

enum cr_access cr_os_access(const void *context)
{
    return cr_arch_access(((const ucontext_t *)context)->uc_mcontext->__es.__esr);
}

static size_t list_more(const ucontext_t *signal, const struct cr_os_registers *registers, struct cr_os_register *list)
{
    list[0] = (struct cr_os_register){"pc", registers->pc};
    list[1] = (struct cr_os_register){"pstate", signal->uc_mcontext->__ss.__cpsr};
    list[2] = (struct cr_os_register){"far", signal->uc_mcontext->__es.__far};
    list[3] = (struct cr_os_register){"esr", signal->uc_mcontext->__es.__esr};
    return 4;
}

#endif

size_t cr_os_list_registers(const void *context, struct cr_os_register *list)
{
    struct cr_os_registers registers;
    cr_os_read_context(context, &registers);
    for (unsigned i = 0; i < GENERAL_REGISTERS; i++)
        list[i] = (struct cr_os_register){cr_os_register_name(i), registers.word[i]};
    return GENERAL_REGISTERS + list_more(context, &registers, list + GENERAL_REGISTERS);
}

/* Stacks are walked by frame pointers, which lead past the frame. */
const void *cr_os_handled(uintptr_t sp, siginfo_t *info)
{
    (void)sp, (void)info;
    return NULL;
}

bool cr_os_is_last_fault(const siginfo_t *info, const void *context)
{
    (void)info, (void)context;
    return false;
}

bool cr_os_last_page_fault(const void *context, siginfo_t *info)
{
    (void)context, (void)info;
    return false;
}

/* ---- last words ---- */

/* libSystem keeps them for the system's own crash report, in a place that it does not tell. */
const char *cr_os_abort_message(void) { return NULL; }

/* The C++ runtime may come with any library, and may not be looked for in a signal handler. */
const char *cr_os_exception_type(void) { return NULL; }

int cr_os_system_call(const siginfo_t *info)
{
    (void)info;
    return -1;
}
