/* unwind_x86_64.h - registers, signal frames and instructions of x86-64. Sources: System V ABI, AMD64 supplement 3.4 and 3.6.2 (DWARF
 * register numbers); Linux, arch/x86/include/uapi/asm/sigcontext.h. */
#ifndef CR_PLATFORM_UNWIND_X86_64_H
#define CR_PLATFORM_UNWIND_X86_64_H

#include "platform/unwind_cfi.h"

#include <string.h>

#define CR_ARCH_FP 6  /* rbp */
#define CR_ARCH_SP 7  /* rsp */
#define CR_ARCH_RA 16 /* the return address; as a register, rip */

/* The registers a function must preserve, and its pc and sp, as they are where this is written. */
static inline __attribute__((always_inline)) void cr_arch_snapshot(struct cr_unwind_registers *registers)
{
    memset(registers->r, 0, sizeof registers->r);
    __asm__ volatile("movq %%rbx, 24(%1)\n\t"
                     "movq %%rbp, 48(%1)\n\t"
                     "movq %%rsp, 56(%1)\n\t"
                     "movq %%r12, 96(%1)\n\t"
                     "movq %%r13, 104(%1)\n\t"
                     "movq %%r14, 112(%1)\n\t"
                     "movq %%r15, 120(%1)\n\t"
                     "leaq 0(%%rip), %0"
                     : "=&r"(registers->pc)
                     : "r"(registers->r)
                     : "memory");
}

/* Whether code at pc is the system call that ends a signal handler: mov $15, %rax (in either encoding); syscall. */
static inline bool cr_arch_is_sigreturn(const uint8_t *pc)
{
    return memcmp(pc, "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", 9) == 0 ||
           memcmp(pc, "\xb8\x0f\x00\x00\x00\x0f\x05", 7) == 0;
}
#define CR_ARCH_SIGRETURN_BYTES 9

/* The address of the interrupted registers, when sp is that of the frame a signal handler returns to. */
static inline uintptr_t cr_arch_signal_context(uintptr_t sp)
{
    return sp + 40; /* ucontext_t begins at sp, its gregs here */
}
#define CR_ARCH_SIGNAL_WORDS 17

/* Words of the signal context to registers. */
static inline void cr_arch_signal_registers(const uintptr_t *word, struct cr_unwind_registers *registers)
{
    /* r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp */
    static const uint8_t number[16] = {8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7};
    for (unsigned i = 0; i < 16; i++)
        registers->r[number[i]] = word[i];
    registers->pc = word[16];
}
#define CR_ARCH_SIGNAL_PC_WORD 16

/* Whether the bytes before a return address end a call: E8 with 4 bytes, or FF /2 with a register or memory operand of 2 to 7 bytes. */
static inline bool cr_arch_ends_call(const uint8_t *after)
{
    if (after[-5] == 0xe8)
        return true;
    for (int length = 2; length <= 7; length++) {
        if (after[-length] == 0xff && (after[1 - length] & 0x38) == 0x10)
            return true;
    }
    return false;
}
/* Whether code does nothing but return: add $n, %rsp; pop %register, any number of them; ret. */
#define CR_ARCH_RETURN_BYTES 16
static inline bool cr_arch_returns(const uint8_t *code, struct cr_unwind_return *found)
{
    const uint8_t *end = code + CR_ARCH_RETURN_BYTES;
    uint32_t sp = 0;
    found->fp = UINT32_MAX;
    if (code[0] == 0x48 && code[1] == 0x83 && code[2] == 0xc4 && code[3] < 0x80) {
        sp = code[3];
        code += 4;
    }
    for (; end - code >= 2 && *code != 0xc3; sp += 8) {
        bool high = *code == 0x41; /* r8 to r15 */
        code += high;
        if ((*code & 0xf8) != 0x58)
            return false;
        if (*code++ == 0x58 + 5 && !high)
            found->fp = sp;
    }
    found->ra = sp;
    found->cfa = sp + 8;
    return code < end && *code == 0xc3 && sp % 8 == 0;
}

/* Mends rows that are known to be wrong: of none here. */
static inline void cr_arch_mend(struct cr_cfi *cfi) { (void)cfi; }

#define CR_ARCH_SLOTS_FROM_BASE 0 /* rules may use CR_RULE_FROM_BASE */
#define CR_ARCH_CALL_PUSHES 1     /* a call puts the return address on the stack */
#define CR_ARCH_CALL_BYTES 7

/* A PLT entry pushes its number half-way: CFA = rsp + 8, or rsp + 16 from byte n of its 16 on. Linkers write for all entries together:
 * breg7 8; breg16 0; lit15; and; lit n; ge; lit3; shl; plus. With the address at hand this is a common rule. */
static inline bool cr_arch_is_plt(const uint8_t *expression, uintptr_t address, int64_t *offset)
{
    if (memcmp(expression, "\x0b\x77\x08\x80\x00\x3f\x1a", 7) != 0 ||
        memcmp(expression + 8, "\x2a\x33\x24\x22", 4) != 0)
        return false;
    *offset = (address & 15) >= expression[7] - 0x30u ? 16 : 8;
    return expression[7] >= 0x30 && expression[7] <= 0x4f;
}

#endif
