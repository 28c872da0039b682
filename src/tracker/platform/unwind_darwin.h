/* unwind_darwin.h - the one rule of macOS, for unwind_platform.h. */
#ifndef CR_PLATFORM_UNWIND_DARWIN_H
#define CR_PLATFORM_UNWIND_DARWIN_H

/* Apple's ABIs keep a frame pointer in every function that calls another ("Writing ARM64 code for Apple platforms": x29 must always address
 * a valid frame record). */
static inline uint32_t cr_unwind_rule_peek(uintptr_t address)
{
    (void)address;
    return CR_RULE_FRAME_POINTER;
}

static inline uint32_t cr_unwind_generation(void) { return 0; }

#endif
