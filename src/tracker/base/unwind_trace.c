/* unwind_trace.c - see unwind_trace.h. */
#include "base/unwind_trace.h"

#include <string.h>

#include "platform/platform.h"
#include "platform/unwind_platform.h"

#define MOST_FRAMES (1u << 20) /* 8 MB of the smallest frames are half as many */

static void start(struct cr_unwind_walk *walk, const struct cr_os_registers *registers, uintptr_t stack_low,
                  uintptr_t stack_high)
{
    memset(walk, 0, sizeof *walk);
    walk->pc = registers->pc;
    walk->sp = registers->sp;
    walk->fp = registers->fp;
    walk->memory.stack_low = stack_low;
    walk->memory.stack_high = stack_high;
    walk->memory.live = stack_high; /* nothing: the stack pointer may stand in a guard page */
    cr_unwind_start_exact(walk, registers);
}

/* Turns the ring of the outermost frames so that its oldest one comes first. */
static void straighten(struct cr_trace_frame *ring, uint32_t first)
{
    struct cr_trace_frame copy[CR_TRACE_OUTER];
    memcpy(copy, ring, sizeof copy);
    for (uint32_t i = 0; i < CR_TRACE_OUTER; i++)
        ring[i] = copy[(first + i) % CR_TRACE_OUTER];
}

void cr_unwind_trace(const struct cr_os_registers *registers, uintptr_t stack_low, uintptr_t stack_high,
                     struct cr_unwind_trace *trace)
{
    struct cr_unwind_walk walk;
    struct cr_unwind_frame frame[2] = {{.pc = 0}};
    uint32_t count = 0;
    bool more = true;
    start(&walk, registers, stack_low, stack_high);
    for (; more && count < MOST_FRAMES; count++) {
        uint32_t at = count < CR_TRACE_INNER ? count : CR_TRACE_INNER + (count - CR_TRACE_INNER) % CR_TRACE_OUTER;
        trace->frame[at] = (struct cr_trace_frame){.pc = walk.pc, .sp = walk.sp, .exact = walk.exact || !count};
        more = cr_unwind_step(&walk, frame);
    }
    uint32_t most = CR_TRACE_INNER + CR_TRACE_OUTER;
    trace->end = more ? CR_UNWIND_TOO_DEEP : walk.end;
    trace->frames = count < most ? count : most;
    trace->left_out = count - trace->frames;
    if (trace->left_out)
        straighten(&trace->frame[CR_TRACE_INNER], trace->left_out % CR_TRACE_OUTER);
}
