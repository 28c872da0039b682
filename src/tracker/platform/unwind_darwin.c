/* unwind_darwin.c - unwinding on macOS, where the frame pointer always leads on. See unwind_platform.h. */
#include "platform/unwind_platform.h"

#include <mach/mach.h>

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

/* From a jump to where there is no code: the caller's address is still where the call put it. */
static bool step_from_wild_call(struct cr_unwind_walk *walk)
{
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

/* Only an interrupted instruction comes here: no rule asks for more than the frame pointer. A leaf function may have none, and then the
 * frame of its caller is passed over. */
bool cr_unwind_full_step(struct cr_unwind_walk *walk, struct cr_unwind_frame *frame)
{
    if (!walk->exact) {
        walk->end = CR_UNWIND_NO_RULE;
        return false;
    }
    walk->exact = false;
    return cr_unwind_readable(walk->pc) ? cr_unwind_step(walk, frame) : step_from_wild_call(walk);
}

void cr_unwind_flush(void) {}

void cr_unwind_modules_refresh(void) {}
