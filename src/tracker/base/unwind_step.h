/* unwind_step.h - one step of the walk: from a frame to its caller. Private to the unwinder.
 *
 * A rule says for one address of code how to find the caller's frame. It fits 31 bits, so that it can share a 64-bit word with
 * the address it is for (unwind_linux.c). The common rule is
 *     base = sp or fp;  CFA = base + 8 * cfa;  return address at *ra_slot;  caller's fp at *fp_slot or unchanged
 * where the slots are counted in words down from the CFA or, for aarch64, up from the base. */
#ifndef CR_BASE_UNWIND_STEP_H
#define CR_BASE_UNWIND_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/unwind.h"

enum cr_rule_kind {
    CR_RULE_NONE = 1,    /* nothing describes this address */
    CR_RULE_FRAME = 2,   /* the common rule */
    CR_RULE_REALIGN = 3, /* CFA = *(fp - 8 * cfa), caller's fp = *fp: gcc's functions that realign the stack */
    CR_RULE_END = 4,     /* the outermost frame */
    CR_RULE_FULL = 5,    /* needs all registers: cr_unwind_full_step */
    CR_RULE_SIGNAL = 6,  /* the frame a signal handler returns to: cr_unwind_full_step */
    CR_RULE_BAD = 7      /* a table describes it in a way not understood */
};

#define CR_RULE_KIND_MASK 7u
#define CR_RULE_BASE_FP (1u << 3)
#define CR_RULE_CFA_SHIFT 4
#define CR_RULE_CFA_MASK 0x3fffu /* in words: frames up to 128 KB; larger ones are CR_RULE_FULL */
#define CR_RULE_FROM_BASE (1u << 18)
#define CR_RULE_RA_SHIFT 19
#define CR_RULE_FP_SHIFT 25 /* the same slot as the return address's: the caller's fp is unchanged */
#define CR_RULE_SLOT_MASK 0x3fu
#define CR_RULE_BITS 31

#define CR_RULE_FRAME_POINTER                                                                                          \
    (CR_RULE_FRAME | CR_RULE_BASE_FP | 2u << CR_RULE_CFA_SHIFT | 1u << CR_RULE_RA_SHIFT | 2u << CR_RULE_FP_SHIFT)

#define CR_UNWIND_REGISTERS 33 /* x86-64: 16; aarch64: x0 to x30, sp (DWARF for the Arm 64-bit Architecture, 4.1) */

/* Whether a frame ends with its saved fp and return address, so that the chain of frame pointers tells the caller's sp as well. On aarch64
 * they may lie anywhere in it: only callers that can do without sp can be found by the chain. */
#if defined(__x86_64__)
#define CR_FRAME_RECORD_ON_TOP true
#else
#define CR_FRAME_RECORD_ON_TOP false
#endif

#define CR_FRAME_USES_FP 1u /* the step out of this frame depended on fp */
#define CR_FRAME_BARRIER 2u /* the step out of this frame depended on more than a slot list can verify */

#define CR_UNWIND_PAGE_MASK ((uintptr_t)4095) /* of the smallest pages there are; larger ones are multiples */

/* What can be read. Invariant: the words in [low, high) can, now and for the rest of this capture. */
struct cr_unwind_memory {
    uintptr_t low, high;
    uintptr_t stack_low, stack_high; /* the thread's own stack */
    uintptr_t live;                  /* the start's sp: own frames lie above, if it is on that stack */
};

/* All registers of one frame, by their DWARF numbers. */
struct cr_unwind_registers {
    uintptr_t r[CR_UNWIND_REGISTERS];
    uintptr_t pc;
    bool known; /* the rest is only set if this is */
    bool exact; /* pc is of an interrupted instruction, not of a return */
};

/* Everything a walk carries from frame to frame. */
struct cr_unwind_walk {
    uintptr_t pc, sp, fp;
    bool exact; /* as in cr_unwind_registers */
    struct cr_unwind_memory memory;
    unsigned stacks;                /* how often the walk went on to another stack */
    bool chained;                   /* it has gone by the chain of frame pointers alone */
    uint32_t most;                  /* frames to be walked */
    uint32_t dropped;               /* frames outside of the last one, where the walk has not gone on to the root; else 0 */
    enum cr_unwind_end end;         /* set when a step finds no caller */
    uintptr_t null_slot;            /* where a null return address was found that ended the walk; else 0 */
    struct cr_unwind_registers all; /* of a frame met on the way, where one needed them */
};

/* The CFA and the slots of the common rule. */
static inline uintptr_t cr_rule_base(uint32_t rule, uintptr_t sp, uintptr_t fp)
{
    return rule & CR_RULE_BASE_FP ? fp : sp;
}

static inline uintptr_t cr_rule_cfa(uint32_t rule, uintptr_t base)
{
    return base + (rule >> (CR_RULE_CFA_SHIFT - 3) & CR_RULE_CFA_MASK << 3);
}

#if defined(__x86_64__)
/* Calls push: the return address is always the word below the CFA, and all is counted from there. On the way from frame to frame every
 * instruction saved here counts. */
static inline uintptr_t cr_rule_ra_slot(uint32_t rule, uintptr_t base, uintptr_t cfa)
{
    (void)rule, (void)base;
    return cfa - 8;
}

static inline uintptr_t cr_rule_fp_slot(uint32_t rule, uintptr_t base, uintptr_t cfa)
{
    (void)base;
    return cfa - (rule >> CR_RULE_FP_SHIFT << 3);
}
#else
static inline uintptr_t cr_rule_slot(uint32_t rule, unsigned shift, uintptr_t base, uintptr_t cfa)
{
    uintptr_t bytes = (uintptr_t)(rule >> shift & CR_RULE_SLOT_MASK) << 3;
    return rule & CR_RULE_FROM_BASE ? base + bytes : cfa - bytes;
}

static inline uintptr_t cr_rule_ra_slot(uint32_t rule, uintptr_t base, uintptr_t cfa)
{
    return cr_rule_slot(rule, CR_RULE_RA_SHIFT, base, cfa);
}

static inline uintptr_t cr_rule_fp_slot(uint32_t rule, uintptr_t base, uintptr_t cfa)
{
    return cr_rule_slot(rule, CR_RULE_FP_SHIFT, base, cfa);
}
#endif

/* Makes the aligned word at address readable for this capture: true if it lies in, or could be added to, the known memory. */
bool cr_unwind_memory_has(struct cr_unwind_memory *memory, uintptr_t address);

/* Steps from walk's frame to its caller, any rule, everything checked. frame[0] receives where the frame keeps its words (slots and flags),
 * frame[1].pc_slot where the caller's pc was found. False: there is no caller, walk->end says why. */
bool cr_unwind_step(struct cr_unwind_walk *walk, struct cr_unwind_frame *frame);

#endif
