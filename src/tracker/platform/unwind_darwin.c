/* unwind_darwin.c - unwinding on macOS, where the frame pointer always leads on. See unwind_platform.h. */
#include "platform/unwind_platform.h"

#include <mach/mach.h>
#include <string.h>

#include "platform/platform.h"

uint32_t cr_unwind_rule(uintptr_t address) { return cr_unwind_rule_peek(address); }

/* vm_read_overwrite fails where reading would fault. */
bool cr_unwind_readable(uintptr_t address)
{
    uint64_t word;
    vm_size_t bytes = 0;
    return vm_read_overwrite(mach_task_self(), address & ~(uintptr_t)7, sizeof word, (vm_address_t)&word, &bytes) ==
           KERN_SUCCESS;
}

bool cr_unwind_follows_call(uintptr_t address) { return address != 0; }

/* Only what cr_unwind_start_exact marks comes here, since no rule asks for more than the frame pointer: a jump to where there is no code.
 * The caller's address is still where the call put it. */
bool cr_unwind_full_step(struct cr_unwind_walk *walk, struct cr_unwind_frame *frame)
{
    (void)frame;
    if (!walk->exact) {
        walk->end = CR_UNWIND_NO_RULE;
        return false;
    }
    walk->exact = false;
#if defined(__x86_64__)
    if (!cr_unwind_memory_has(&walk->memory, walk->sp)) {
        walk->end = CR_UNWIND_BAD_READ;
        return false;
    }
    walk->pc = *(const uintptr_t *)walk->sp;
    walk->sp += sizeof walk->sp;
#else
    walk->pc = CR_UNWIND_STRIP(walk->all.r[30]);
#endif
    return true;
}

/* The frame pointer leads on from there, too. In a function's first instructions it is still its caller's, whom the stack lacks then. */
void cr_unwind_start_exact(struct cr_unwind_walk *walk, const struct cr_os_registers *registers)
{
    memcpy(walk->all.r, registers->word, sizeof walk->all.r);
    walk->exact = !cr_unwind_readable(registers->pc);
}

bool cr_unwind_returns(uintptr_t address, struct cr_unwind_return *found)
{
    (void)address, (void)found;
    return false;
}

void cr_unwind_flush(void) {}

bool cr_unwind_modules_refresh(void) { return false; }
bool cr_unwind_modules_retry(void) { return false; }
void cr_unwind_modules_stir(void) {}
void cr_unwind_modules_forked(void) {}
