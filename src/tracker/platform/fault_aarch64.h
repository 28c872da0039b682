/* fault_aarch64.h - faults of aarch64: what the exception syndrome says, and which register an instruction takes its address from. Source:
 * Arm Architecture Reference Manual for A-profile, D24.2 (ESR_ELx) and C4.1 (instructions). */
#ifndef CR_PLATFORM_FAULT_AARCH64_H
#define CR_PLATFORM_FAULT_AARCH64_H

#include <string.h>

#include "platform/fault.h"

static inline enum cr_access cr_arch_access(uint64_t syndrome)
{
    enum { FETCH_ABORT = 0x20, DATA_ABORT = 0x24, WROTE = 1u << 6 };
    switch (syndrome >> 26 & 0x3f) {
    case FETCH_ABORT: return CR_ACCESS_EXECUTE;
    case DATA_ABORT: return syndrome & WROTE ? CR_ACCESS_WRITE : CR_ACCESS_READ;
    default: return CR_ACCESS_UNKNOWN;
    }
}

const char *cr_os_register_name(unsigned number)
{
    static const char *const names[32] = {"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",  "x9",  "x10",
                                          "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",
                                          "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp"};
    return number < 32 ? names[number] : "";
}

/* Loads and stores have their base in bits 5 to 9. The address itself the processor tells. */
struct cr_os_operand cr_os_operand(const struct cr_os_registers *registers, const uint8_t *bytes, size_t count)
{
    struct cr_os_operand operand = {CR_OPERAND_NONE, -1, -1, 0};
    uint32_t instruction = 0;
    if (count < sizeof instruction)
        return operand;
    memcpy(&instruction, bytes, sizeof instruction);
    bool literal = (instruction & 0x3b000000u) == 0x18000000u;
    if ((instruction & 0x0a000000u) == 0x08000000u && !literal) {
        operand.kind = CR_OPERAND_MEMORY;
        operand.base = (int)(instruction >> 5 & 31);
        operand.address = registers->word[operand.base];
    }
    return operand;
}

bool cr_os_divisor(const struct cr_os_registers *registers, const uint8_t *bytes, size_t count, uint64_t *divisor)
{
    (void)registers, (void)bytes, (void)count, (void)divisor;
    return false; /* a division by zero is 0 here, and no fault */
}

#endif
