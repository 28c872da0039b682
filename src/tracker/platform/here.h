/* here.h - the registers of the function this is written in, as its caller's are still held in them. */
#ifndef CR_PLATFORM_HERE_H
#define CR_PLATFORM_HERE_H

#include <string.h>

#include "platform/platform.h"

/* What a function has to preserve, its sp and fp. Together with the stack from sp up these are all the words its callers have. */
static inline __attribute__((always_inline)) void cr_os_here(struct cr_os_registers *registers)
{
    memset(registers, 0, sizeof *registers);
    uintptr_t *word = registers->word;
#if defined(__x86_64__)
    __asm__ volatile("movq %%rbx, 24(%1)\n\t"
                     "movq %%rbp, 48(%1)\n\t"
                     "movq %%rsp, 56(%1)\n\t"
                     "movq %%r12, 96(%1)\n\t"
                     "movq %%r13, 104(%1)\n\t"
                     "movq %%r14, 112(%1)\n\t"
                     "movq %%r15, 120(%1)\n\t"
                     "leaq 0(%%rip), %0"
                     : "=&r"(registers->pc)
                     : "r"(word)
                     : "memory");
    registers->sp = word[7];
    registers->fp = word[6];
#else
    __asm__ volatile("stp x19, x20, [%2, #152]\n\t"
                     "stp x21, x22, [%2, #168]\n\t"
                     "stp x23, x24, [%2, #184]\n\t"
                     "stp x25, x26, [%2, #200]\n\t"
                     "stp x27, x28, [%2, #216]\n\t"
                     "stp x29, x30, [%2, #232]\n\t"
                     "mov %1, sp\n\t"
                     "adr %0, ."
                     : "=&r"(registers->pc), "=&r"(registers->sp)
                     : "r"(word)
                     : "memory");
    word[31] = registers->sp;
    registers->fp = word[29];
#endif
    registers->whole = true;
}

#endif
