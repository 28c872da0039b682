/* fault_x86_64.h - faults of x86-64: what the error code says, and what an instruction was going to touch. Sources: Intel 64 and IA-32
 * Architectures Software Developer's Manual, volume 3A 4.7 (error code), volume 2A 2.1, 2.3.5 and appendix A (instructions). */
#ifndef CR_PLATFORM_FAULT_X86_64_H
#define CR_PLATFORM_FAULT_X86_64_H

#include "platform/fault.h"

#define CR_ARCH_PAGE_FAULT 14

static inline enum cr_access cr_arch_access(uint64_t trap, uint64_t error)
{
    if (trap != CR_ARCH_PAGE_FAULT)
        return CR_ACCESS_UNKNOWN;
    return error & 16 ? CR_ACCESS_EXECUTE : error & 2 ? CR_ACCESS_WRITE : CR_ACCESS_READ;
}

const char *cr_os_register_name(unsigned number)
{
    static const char *const names[16] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    return number < 16 ? names[number] : "";
}

/* ---- what an instruction touches ---- */

enum { RAX, RDX, RCX, RBX, RSI, RDI, RBP, RSP, NO_REGISTER = -1 };

/* An instruction being read. Invariant: at <= end. */
struct cr_decode {
    const uint8_t *at, *end;
    uint8_t rex;  /* its low four bits, those of VEX and EVEX prefixes too */
    bool half;    /* operands of 16 bits */
    bool segment; /* the address counts from fs or gs, which is not known here */
    bool scaled;  /* EVEX: a one-byte displacement counts in units that depend on the instruction */
};

static inline uint8_t cr_decode_byte(struct cr_decode *code) { return code->at < code->end ? *code->at++ : 0; }

/* Instructions number registers in another order than DWARF. */
static inline int cr_decode_register(unsigned low, bool high)
{
    static const int8_t dwarf[8] = {RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI};
    return high ? (int)low + 8 : dwarf[low];
}

static inline void cr_decode_prefixes(struct cr_decode *code)
{
    for (; code->at < code->end; code->at++) {
        uint8_t byte = *code->at;
        code->half = code->half || byte == 0x66;
        if (byte == 0x64 || byte == 0x65)
            code->segment = true;
        else if (byte >= 0x40 && byte <= 0x4f) {
            code->rex = byte & 15;
            code->at++;
            return;
        } else if (byte != 0x66 && byte != 0x67 && byte != 0xf0 && byte != 0xf2 && byte != 0xf3 && byte != 0x2e &&
                   byte != 0x36 && byte != 0x3e && byte != 0x26)
            return;
    }
}

/* Whether a one-byte opcode has a ModR/M byte. lea has one and touches nothing. */
static inline bool cr_decode_has_operand(uint8_t opcode)
{
    if (opcode < 0x40)
        return (opcode & 7) < 4;
    if (opcode == 0x8d)
        return false;
    return opcode == 0x63 || opcode == 0x69 || opcode == 0x6b || (opcode >= 0x80 && opcode <= 0x8f) ||
           (opcode >= 0xc0 && opcode <= 0xc1) || (opcode >= 0xc6 && opcode <= 0xc7) ||
           (opcode >= 0xd0 && opcode <= 0xd3) || (opcode >= 0xd8 && opcode <= 0xdf) || opcode == 0xf6 ||
           opcode == 0xf7 || opcode == 0xfe || opcode == 0xff;
}

/* The same for opcodes behind 0F. */
static inline bool cr_decode_has_operand_0f(uint8_t opcode)
{
    return !((opcode >= 0x05 && opcode <= 0x0c) || (opcode >= 0x30 && opcode <= 0x37) || opcode == 0x77 ||
             (opcode >= 0x80 && opcode <= 0x8f) || (opcode >= 0xa0 && opcode <= 0xa2) ||
             (opcode >= 0xa8 && opcode <= 0xaa) || (opcode >= 0xc8 && opcode <= 0xcf));
}

static inline int64_t cr_decode_displacement(struct cr_decode *code, unsigned mod, bool wide)
{
    if (mod == 1 && !wide) {
        int8_t byte = (int8_t)cr_decode_byte(code);
        return code->scaled ? 0 : byte;
    }
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++)
        value |= (uint32_t)cr_decode_byte(code) << 8 * i;
    return (int32_t)value;
}

static inline struct cr_os_operand cr_decode_none(void)
{
    return (struct cr_os_operand){CR_OPERAND_NONE, NO_REGISTER, NO_REGISTER, 0};
}

static inline struct cr_os_operand cr_decode_at(const struct cr_os_registers *registers, int base)
{
    return (struct cr_os_operand){CR_OPERAND_MEMORY, base, NO_REGISTER, registers->word[base]};
}

/* The memory operand that a ModR/M byte describes; `target`: the instruction goes where the operand says. */
static inline struct cr_os_operand cr_decode_modrm(struct cr_decode *code, const struct cr_os_registers *registers,
                                                   bool may_go)
{
    uint8_t modrm = cr_decode_byte(code), mod = modrm >> 6, low = modrm & 7;
    unsigned field = modrm >> 3 & 7;
    struct cr_os_operand operand = {CR_OPERAND_MEMORY, NO_REGISTER, NO_REGISTER, 0};
    unsigned shift = 0;
    bool wide = mod == 2;
    if (mod == 3) {
        operand.base = cr_decode_register(low, code->rex & 1);
        operand.kind = may_go && (field == 2 || field == 4) ? CR_OPERAND_TARGET : CR_OPERAND_NONE;
        operand.address = registers->word[operand.base];
        return operand;
    }
    if (low == 4) {
        uint8_t sib = cr_decode_byte(code);
        if ((sib >> 3 & 7) != 4 || code->rex & 2)
            operand.index = cr_decode_register(sib >> 3 & 7, code->rex & 2);
        shift = sib >> 6;
        low = sib & 7;
        wide = wide || (low == 5 && mod == 0);
        if (low != 5 || mod)
            operand.base = cr_decode_register(low, code->rex & 1);
    } else if (low == 5 && mod == 0) {
        return cr_decode_none(); /* beside the code: never a wild address */
    } else {
        operand.base = cr_decode_register(low, code->rex & 1);
    }
    if (code->segment)
        return cr_decode_none();
    operand.address = mod || wide ? (uint64_t)cr_decode_displacement(code, mod, wide) : 0;
    if (operand.base >= 0)
        operand.address += registers->word[operand.base];
    if (operand.index >= 0)
        operand.address += registers->word[operand.index] << shift;
    return operand;
}

/* Skips a VEX or EVEX prefix of which the first byte has been read, and the opcode. Their register bits are inverted. */
static inline void cr_decode_vex(struct cr_decode *code, uint8_t first)
{
    uint8_t byte = cr_decode_byte(code);
    if (first != 0xc5) {
        code->rex = (uint8_t)(~byte >> 5 & 7);
        cr_decode_byte(code);
    }
    if (first == 0x62) {
        cr_decode_byte(code);
        code->scaled = true;
    }
    cr_decode_byte(code);
}

/* hlt, cli and sti, ports, and int with a number that is not the program's; behind 0F what loads and stores control, debug and model
 * registers, and descriptor tables. All of them are general protection faults. */
static inline bool cr_decode_is_system(uint8_t opcode, uint8_t next)
{
    if (opcode != 0x0f)
        return opcode == 0xf4 || opcode == 0xfa || opcode == 0xfb || opcode == 0xcd ||
               (opcode >= 0x6c && opcode <= 0x6f) || (opcode >= 0xe4 && opcode <= 0xe7) ||
               (opcode >= 0xec && opcode <= 0xef);
    return next <= 0x01 || next == 0x06 || next == 0x07 || next == 0x08 || next == 0x09 ||
           (next >= 0x20 && next <= 0x23) || next == 0x30 || next == 0x32 || next == 0x33 || next == 0x35;
}

struct cr_os_operand cr_os_operand(const struct cr_os_registers *registers, const uint8_t *bytes, size_t count)
{
    struct cr_decode code = {.at = bytes, .end = bytes + count};
    cr_decode_prefixes(&code);
    uint8_t opcode = cr_decode_byte(&code);
    if (cr_decode_is_system(opcode, code.at < code.end ? *code.at : 0xff))
        return (struct cr_os_operand){CR_OPERAND_SYSTEM, NO_REGISTER, NO_REGISTER, 0};
    if (opcode == 0x62 || opcode == 0xc4 || opcode == 0xc5) {
        cr_decode_vex(&code, opcode);
        return cr_decode_modrm(&code, registers, false);
    }
    if (opcode == 0xc2 || opcode == 0xc3)
        return (struct cr_os_operand){CR_OPERAND_RETURN, RSP, NO_REGISTER, registers->word[RSP]};
    if ((opcode >= 0x50 && opcode <= 0x5f) || opcode == 0xe8)
        return cr_decode_at(registers, RSP);
    if (opcode == 0xc9)
        return cr_decode_at(registers, RBP);
    if (opcode == 0xac || opcode == 0xad) /* lods */
        return cr_decode_at(registers, RSI);
    if ((opcode >= 0xa4 && opcode <= 0xa7) || (opcode >= 0xaa && opcode <= 0xaf)) { /* movs, cmps, stos, scas */
        bool by_source = opcode <= 0xa7 && ((registers->word[RDI] >> (CR_OS_ADDRESS_BITS - 1)) == 0);
        return cr_decode_at(registers, by_source ? RSI : RDI);
    }
    if (opcode == 0x0f) {
        opcode = cr_decode_byte(&code);
        if (opcode == 0x38 || opcode == 0x3a)
            cr_decode_byte(&code);
        else if (!cr_decode_has_operand_0f(opcode))
            return cr_decode_none();
        return cr_decode_modrm(&code, registers, false);
    }
    return cr_decode_has_operand(opcode) ? cr_decode_modrm(&code, registers, opcode == 0xff) : cr_decode_none();
}

bool cr_os_divisor(const struct cr_os_registers *registers, const uint8_t *bytes, size_t count, uint64_t *divisor)
{
    struct cr_decode code = {.at = bytes, .end = bytes + count};
    cr_decode_prefixes(&code);
    uint8_t opcode = cr_decode_byte(&code), modrm = code.at < code.end ? *code.at : 0;
    unsigned size = opcode == 0xf6 ? 1 : code.rex & 8 ? 8 : code.half ? 2 : 4;
    if ((opcode != 0xf6 && opcode != 0xf7) || (modrm >> 3 & 6) != 6) /* div, idiv */
        return false;
    if (modrm >> 6 == 3) {
        bool high = opcode == 0xf6 && code.at - bytes == 1 && (modrm & 4); /* ah to bh */
        int number = cr_decode_register(high ? modrm & 3 : modrm & 7, code.rex & 1);
        uint64_t word = registers->word[number] >> (high ? 8 : 0);
        *divisor = size == 8 ? word : word & ((UINT64_C(1) << 8 * size) - 1);
        return true;
    }
    struct cr_os_operand operand = {CR_OPERAND_NONE, NO_REGISTER, NO_REGISTER, 0};
    if ((modrm & 0xc7) == 5) { /* beside the code, counted from the next instruction */
        code.at++;
        operand.address = (uint64_t)cr_decode_displacement(&code, 2, true);
        operand.address += registers->pc + (uint64_t)(code.at - bytes);
    } else if ((operand = cr_decode_modrm(&code, registers, false)).kind != CR_OPERAND_MEMORY)
        return false;
    *divisor = 0;
    return cr_os_read_memory((uintptr_t)operand.address, divisor, size) == size; /* little endian */
}

#endif
