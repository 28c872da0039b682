/* registers.h - a thread's registers in the order that macOS has: in its contexts of signals, and for thread_get_state. */
#ifndef FAKE_REGISTERS_H
#define FAKE_REGISTERS_H

#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#if defined(__x86_64__)

#define STATE_KIND 4
#define WORDS 21

static inline void fake_registers(const ucontext_t *context, uint64_t *word)
{
    static const int order[18] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RDI, REG_RSI, REG_RBP, REG_RSP, REG_R8,
                                  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP, REG_EFL};
    for (size_t i = 0; i < 18; i++)
        word[i] = (uint64_t)context->uc_mcontext.gregs[order[i]];
}

struct fault_state {
    uint16_t trap, cpu;
    uint32_t error;
    uint64_t address;
};

static inline struct fault_state fake_fault(const ucontext_t *context, int sent)
{
    const greg_t *registers = context->uc_mcontext.gregs;
    return (struct fault_state){sent ? 133 /* a system call */ : (uint16_t)registers[REG_TRAPNO], 0,
                                (uint32_t)registers[REG_ERR], (uint64_t)registers[REG_CR2]};
}

#else

#define STATE_KIND 6
#define WORDS 34

static inline void fake_registers(const ucontext_t *context, uint64_t *word)
{
    memcpy(word, context->uc_mcontext.regs, 31 * sizeof *word);
    word[31] = context->uc_mcontext.sp;
    word[32] = context->uc_mcontext.pc;
    word[33] = (uint32_t)context->uc_mcontext.pstate;
}

struct fault_state {
    uint64_t address;
    uint32_t syndrome, exception;
};

/* A write where nothing is mapped, or a system call. */
static inline struct fault_state fake_fault(const ucontext_t *context, int sent)
{
    return (struct fault_state){context->uc_mcontext.fault_address, sent ? 0x15u << 26 : 0x24u << 26 | 1u << 6 | 0x04,
                                0};
}

#endif
#endif
