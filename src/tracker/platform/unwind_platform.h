/* unwind_platform.h - what the unwinder needs from the platform. Private to the unwinder.
 *
 * Linux finds rules in .eh_frame (unwind_linux*.c). On macOS every function keeps a frame pointer, so that one rule holds for all code
 * (unwind_darwin.c). All functions may run in signal handlers and inside the loader. */
#ifndef CR_PLATFORM_UNWIND_PLATFORM_H
#define CR_PLATFORM_UNWIND_PLATFORM_H

#include "base/unwind_step.h"

/* The rule for the instruction at address. */
uint32_t cr_unwind_rule(uintptr_t address);

/* cr_unwind_rule for the common case, inline: the rule if it is a CR_RULE_FRAME that is at hand, else 0. */
static inline uint32_t cr_unwind_rule_peek(uintptr_t address);

/* Changes whenever rules found before may be wrong. */
static inline uint32_t cr_unwind_generation(void);

/* Whether the page that address lies in can be read. A system call, about 0.1 us. */
bool cr_unwind_readable(uintptr_t address);

/* Whether the instruction before address is a call, as it is before every return address. */
bool cr_unwind_follows_call(uintptr_t address);

/* Where a frame's words lie, in bytes from its sp. */
struct cr_unwind_return {
    uint32_t cfa, ra;
    uint32_t fp; /* the caller's fp; UINT32_MAX: unchanged */
};

/* Whether the code at a return address does nothing but return, and so tells itself where its caller is. For code that no table describes. */
bool cr_unwind_returns(uintptr_t address, struct cr_unwind_return *found);

/* Steps out of a frame that needs more than sp and fp: rules on other registers, expressions, and the frames of signals. Walk and frame
 * as with cr_unwind_step. */
bool cr_unwind_full_step(struct cr_unwind_walk *walk, struct cr_unwind_frame *frame);

/* Makes a walk begin at an instruction that has not been executed, with the registers as they are there. */
struct cr_os_registers;
void cr_unwind_start_exact(struct cr_unwind_walk *walk, const struct cr_os_registers *registers);

#if defined(__APPLE__)
#include "platform/unwind_darwin.h"
#else
#include "platform/unwind_linux.h"
#endif

#endif
