/* unwind_trace.h - the stack of a thread that was interrupted anywhere, from all its registers: for crashes and stopped threads.
 *
 * Walks with the exact rules every time, never through what earlier captures know, and believes nothing of the registers or of the
 * stack: every page is tried before it is read. Calls no malloc, takes no lock; may run in signal handlers. */
#ifndef CR_BASE_UNWIND_TRACE_H
#define CR_BASE_UNWIND_TRACE_H

#include "base/unwind.h"

#define CR_TRACE_INNER 192u /* most frames kept from the leaf outwards */
#define CR_TRACE_OUTER 64u  /* of a deeper stack, this many from the root inwards as well */

struct cr_trace_frame {
    uintptr_t pc, sp;
    bool exact; /* pc is of an interrupted instruction, not behind a call */
};

/* frame[0] is the leaf. */
struct cr_unwind_trace {
    uint32_t frames;        /* kept */
    uint32_t left_out;      /* between frame[CR_TRACE_INNER - 1] and frame[CR_TRACE_INNER] */
    enum cr_unwind_end end; /* why there is no caller of the last frame */
    struct cr_trace_frame frame[CR_TRACE_INNER + CR_TRACE_OUTER];
};

struct cr_os_registers; /* platform/platform.h */

/* Bounds of the thread's stack, 0 and 0 if unknown. */
void cr_unwind_trace(const struct cr_os_registers *registers, uintptr_t stack_low, uintptr_t stack_high,
                     struct cr_unwind_trace *trace);

#endif
