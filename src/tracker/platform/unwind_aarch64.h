/* unwind_aarch64.h - registers, signal frames and instructions of aarch64. Sources: DWARF for the Arm 64-bit Architecture 4.1; Linux,
 * arch/arm64/include/uapi/asm/sigcontext.h and kernel/signal.c (struct rt_sigframe). */
#ifndef CR_PLATFORM_UNWIND_AARCH64_H
#define CR_PLATFORM_UNWIND_AARCH64_H

#include "platform/unwind_cfi.h"

#include <string.h>

#define CR_ARCH_FP 29
#define CR_ARCH_SP 31
#define CR_ARCH_RA 30

/* The registers a function must preserve, and its pc and sp, as they are where this is written. */
static inline __attribute__((always_inline)) void cr_arch_snapshot(struct cr_unwind_registers *registers)
{
    memset(registers->r, 0, sizeof registers->r);
    uintptr_t sp;
    __asm__ volatile("stp x19, x20, [%2, #152]\n\t"
                     "stp x21, x22, [%2, #168]\n\t"
                     "stp x23, x24, [%2, #184]\n\t"
                     "stp x25, x26, [%2, #200]\n\t"
                     "stp x27, x28, [%2, #216]\n\t"
                     "stp x29, x30, [%2, #232]\n\t"
                     "mov %1, sp\n\t"
                     "adr %0, ."
                     : "=&r"(registers->pc), "=&r"(sp)
                     : "r"(registers->r)
                     : "memory");
    registers->r[CR_ARCH_SP] = sp;
}

/* Whether code at pc is the system call that ends a signal handler: mov x8, #139; svc #0. */
static inline bool cr_arch_is_sigreturn(const uint8_t *pc)
{
    return memcmp(pc, "\x68\x11\x80\xd2\x01\x00\x00\xd4", 8) == 0;
}
#define CR_ARCH_SIGRETURN_BYTES 8

/* The address of the interrupted registers, when sp is that of the frame a signal handler returns to: after siginfo_t (128 bytes) comes
 * ucontext_t, whose uc_mcontext at 176 begins with the fault address. */
static inline uintptr_t cr_arch_signal_context(uintptr_t sp) { return sp + 128 + 176 + 8; }
#define CR_ARCH_SIGNAL_WORDS 33

/* Words of the signal context to registers: x0 to x30, sp, pc. */
static inline void cr_arch_signal_registers(const uintptr_t *word, struct cr_unwind_registers *registers)
{
    memcpy(registers->r, word, 32 * sizeof *word);
    registers->pc = word[32];
}
#define CR_ARCH_SIGNAL_PC_WORD 32

/* Whether the instruction before a return address is a call: BL, BLR, or BLR with authentication. */
static inline bool cr_arch_ends_call(const uint8_t *after)
{
    uint32_t instruction;
    memcpy(&instruction, after - 4, sizeof instruction);
    return (instruction & 0xfc000000u) == 0x94000000u || (instruction & 0xfefff800u) == 0xd63f0000u ||
           (instruction & 0xfefff800u) == 0xd63f0800u;
}
/* Whether code does nothing but return: ldp x29, x30, [sp], #n; ret. */
#define CR_ARCH_RETURN_BYTES 8
static inline bool cr_arch_returns(const uint8_t *code, struct cr_unwind_return *found)
{
    uint32_t instruction[2];
    memcpy(instruction, code, sizeof instruction);
    uint32_t words = instruction[0] >> 15 & 0x7f;
    *found = (struct cr_unwind_return){.cfa = 8 * words, .ra = 8, .fp = 0};
    return (instruction[0] & 0xffc07fffu) == 0xa8c07bfdu && words >= 2 && words < 64 && instruction[1] == 0xd65f03c0u;
}

/* Mends rows that are known to be wrong. glibc's _dl_runtime_resolve (2.36 and others) does not count the two words that the PLT has pushed: the return
 * address, the second of them, seems to lie outside of the frame, as it does in no other. */
static inline void cr_arch_mend(struct cr_cfi *cfi)
{
    const struct cr_cfi_rule *ra = &cfi->rule[CR_ARCH_RA];
    if (cfi->cfa_expression || cfi->cfa_register != CR_ARCH_SP || ra->how != CR_CFI_OFFSET || ra->number != 8)
        return;
    cfi->cfa_offset += 16;
    for (unsigned i = 0; i < CR_UNWIND_REGISTERS; i++) {
        if (cfi->rule[i].how == CR_CFI_OFFSET || cfi->rule[i].how == CR_CFI_VALUE_OFFSET)
            cfi->rule[i].number -= 16;
    }
}

#define CR_ARCH_SLOTS_FROM_BASE 1 /* rules may use CR_RULE_FROM_BASE */
#define CR_ARCH_CALL_PUSHES 0     /* a call puts the return address on the stack: into x30 */
#define CR_ARCH_CALL_BYTES 4

/* PLT entries of aarch64 move no stack pointer. */
static inline bool cr_arch_is_plt(const uint8_t *expression, uintptr_t address, int64_t *offset)
{
    (void)expression;
    (void)address;
    (void)offset;
    return false;
}

#endif
