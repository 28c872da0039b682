/* unwind_cfi.c - from an address to its row of the unwind table. See unwind_cfi.h.
 *
 * The tables are trusted as far as to be what a linker wrote; positions and lengths are still checked against the module's bounds, so that nothing
 * outside of it is read. */
#include "platform/unwind_cfi.h"

#include "platform/unwind_arch.h"

#include <string.h>

#define REMEMBERED 4 /* nested DW_CFA_remember_state; compilers use one */

/* Invariant: at <= end, or bad is set. */
struct reader {
    const uint8_t *at, *end;
    bool bad;
};

struct cie {
    const uint8_t *instructions, *end;
    uint64_t code_align;
    int64_t data_align;
    uint8_t pointer_encoding;
    bool signal, augmented;
};

uint64_t cr_cfi_uleb(const uint8_t **at)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*at)++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

int64_t cr_cfi_sleb(const uint8_t **at)
{
    uint64_t value = 0;
    for (unsigned shift = 0;;) {
        uint8_t byte = *(*at)++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (byte & 0x80)
            continue;
        if (shift < 64 && byte & 0x40)
            value |= ~(uint64_t)0 << shift;
        return (int64_t)value;
    }
}

static uint64_t uleb(struct reader *reader)
{
    uint64_t value = cr_cfi_uleb(&reader->at);
    reader->bad |= reader->at > reader->end;
    return value;
}

static int64_t sleb(struct reader *reader)
{
    int64_t value = cr_cfi_sleb(&reader->at);
    reader->bad |= reader->at > reader->end;
    return value;
}

/* An integer of so many bytes, little endian as every platform here. */
static uint64_t integer(struct reader *reader, unsigned bytes)
{
    uint64_t value = 0;
    if ((size_t)(reader->end - reader->at) < bytes || reader->bad) {
        reader->bad = true;
        return 0;
    }
    memcpy(&value, reader->at, bytes);
    reader->at += bytes;
    return value;
}

static int64_t sign_extend(uint64_t value, unsigned bytes)
{
    unsigned unused = 64 - 8 * bytes;
    return (int64_t)(value << unused) >> unused;
}

static void skip(struct reader *reader, uint64_t bytes)
{
    if (bytes > (size_t)(reader->end - reader->at))
        reader->bad = true;
    else
        reader->at += bytes;
}

/* A pointer in an encoding of LSB 10.5 (DW_EH_PE): the lower half byte is the format, the upper what it is relative to. */
static uintptr_t pointer(struct reader *reader, uint8_t encoding)
{
    uintptr_t here = (uintptr_t)reader->at;
    uint64_t value;
    switch (encoding & 0x0f) {
    case 0x00: value = integer(reader, sizeof(void *)); break;
    case 0x01: value = uleb(reader); break;
    case 0x02: value = integer(reader, 2); break;
    case 0x03: value = integer(reader, 4); break;
    case 0x04:
    case 0x0c: value = integer(reader, 8); break;
    case 0x09: value = (uint64_t)sleb(reader); break;
    case 0x0a: value = (uint64_t)sign_extend(integer(reader, 2), 2); break;
    case 0x0b: value = (uint64_t)sign_extend(integer(reader, 4), 4); break;
    default: reader->bad = true; return 0;
    }
    switch (encoding & 0x70) {
    case 0x00: return (uintptr_t)value;
    case 0x10: return here + (uintptr_t)value;
    default: reader->bad = true; return 0;
    }
}

/* Enters an entry (CIE or FDE) of .eh_frame: reader then spans what follows its length. */
static struct reader enter(const struct cr_unwind_module *module, uintptr_t address)
{
    struct reader reader = {.bad = true};
    if (address < module->low || address >= module->high)
        return reader;
    reader = (struct reader){.at = (const uint8_t *)address, .end = (const uint8_t *)module->high};
    uint64_t length = integer(&reader, 4);
    if (length == 0xffffffffu)
        length = integer(&reader, 8);
    if (length == 0 || length > (size_t)(reader.end - reader.at))
        reader.bad = true;
    else
        reader.end = reader.at + length;
    return reader;
}

static void read_augmentation(struct reader *reader, const char *text, struct cie *cie)
{
    cie->augmented = *text == 'z';
    if (!cie->augmented) {
        reader->bad |= *text != 0;
        return;
    }
    uint64_t length = uleb(reader);
    const uint8_t *after = reader->at + length;
    for (text++; *text && !reader->bad; text++) {
        switch (*text) {
        case 'R': cie->pointer_encoding = (uint8_t)integer(reader, 1); break;
        case 'P': pointer(reader, (uint8_t)(integer(reader, 1) & 0x0f)); break;
        case 'L': skip(reader, 1); break;
        case 'S': cie->signal = true; break;
        case 'B':        /* aarch64: return addresses signed with key B */
        case 'G': break; /* aarch64: memory tagging of the stack */
        default: reader->bad = true;
        }
    }
    reader->at = after;
}

static bool read_cie(const struct cr_unwind_module *module, uintptr_t address, struct cie *cie)
{
    struct reader reader = enter(module, address);
    *cie = (struct cie){.end = reader.end};
    if (integer(&reader, 4) != 0) /* the mark of a CIE */
        return false;
    uint64_t version = integer(&reader, 1);
    const char *augmentation = (const char *)reader.at;
    if (reader.bad || (version != 1 && version != 3))
        return false;
    skip(&reader, strnlen(augmentation, (size_t)(reader.end - reader.at)) + 1);
    cie->code_align = uleb(&reader);
    cie->data_align = sleb(&reader);
    uint64_t return_address = version == 1 ? integer(&reader, 1) : uleb(&reader);
    read_augmentation(&reader, augmentation, cie);
    cie->instructions = reader.at;
    return !reader.bad && reader.at <= reader.end && return_address == CR_ARCH_RA;
}

/* The FDE's address by the sorted table of .eh_frame_hdr (LSB 10.6.2): pairs of the function's and the FDE's position relative to the
 * header. 0: there is none at or before address. *bad: a table of another form, which no known linker writes. */
static uintptr_t search(const struct cr_unwind_module *module, uintptr_t address, bool *bad)
{
    uintptr_t header = module->eh_frame_hdr;
    struct reader reader = {.at = (const uint8_t *)header, .end = (const uint8_t *)module->high};
    uint64_t version = integer(&reader, 1);
    uint8_t frame_encoding = (uint8_t)integer(&reader, 1);
    uint8_t count_encoding = (uint8_t)integer(&reader, 1);
    uint8_t table_encoding = (uint8_t)integer(&reader, 1);
    pointer(&reader, frame_encoding);
    uint64_t count = pointer(&reader, count_encoding);
    *bad = reader.bad || version != 1 || table_encoding != 0x3b || count > (size_t)(reader.end - reader.at) / 8;
    if (*bad)
        return 0;
    const int32_t(*table)[2] = (const int32_t(*)[2])(const void *)reader.at;
    size_t low = 0,
           high = count; /* the entry sought is the last at or before address: below high, and from low - 1 on */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (header + (uintptr_t)(intptr_t)table[middle][0] <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? 0 : header + (uintptr_t)(intptr_t)table[low - 1][1];
}

/* ---- the instructions (DWARF 5, 6.4.2) ------------------------------------------------------------------------------- */

struct program {
    struct reader reader;
    const struct cie *cie;
    uintptr_t location, target; /* the row that holds at target is sought */
    struct cr_cfi *now;
    const struct cr_cfi *initial; /* after the CIE's own instructions */
    struct cr_cfi remembered[REMEMBERED];
    unsigned depth;
};

static void set(struct program *program, uint64_t reg, enum cr_cfi_how how, int64_t number)
{
    if (reg < CR_UNWIND_REGISTERS) /* others (vectors) are nobody's business here */
        program->now->rule[reg] = (struct cr_cfi_rule){.number = number, .how = how};
}

static void set_expression(struct program *program, uint64_t reg, enum cr_cfi_how how)
{
    const uint8_t *expression = program->reader.at;
    skip(&program->reader, uleb(&program->reader));
    if (reg < CR_UNWIND_REGISTERS)
        program->now->rule[reg] = (struct cr_cfi_rule){.expression = expression, .how = how};
}

static void restore(struct program *program, uint64_t reg)
{
    if (reg < CR_UNWIND_REGISTERS)
        program->now->rule[reg] = program->initial->rule[reg];
}

static int64_t scaled(struct program *program, uint64_t factor) { return (int64_t)factor * program->cie->data_align; }

static void define_cfa(struct program *program, uint64_t reg, int64_t offset)
{
    program->now->cfa_expression = NULL;
    program->now->cfa_register = reg < CR_UNWIND_REGISTERS ? (uint32_t)reg : CR_UNWIND_REGISTERS;
    program->now->cfa_offset = offset;
}

static void advance(struct program *program, uint64_t delta) { program->location += delta * program->cie->code_align; }

static void remember(struct program *program)
{
    if (program->depth < REMEMBERED)
        program->remembered[program->depth++] = *program->now;
    else
        program->reader.bad = true;
}

static void recall(struct program *program)
{
    if (program->depth > 0)
        *program->now = program->remembered[--program->depth];
    else
        program->reader.bad = true;
}

/* Instructions whose low six bits are the kind. */
static void run_extended(struct program *program, uint8_t instruction)
{
    struct reader *reader = &program->reader;
    uint64_t reg;
    switch (instruction) {
    case 0x00: break;                                                                      /* nop */
    case 0x01: program->location = pointer(reader, program->cie->pointer_encoding); break; /* set_loc */
    case 0x02: advance(program, integer(reader, 1)); break;                                /* advance_loc1 */
    case 0x03: advance(program, integer(reader, 2)); break;                                /* advance_loc2 */
    case 0x04: advance(program, integer(reader, 4)); break;                                /* advance_loc4 */
    case 0x05:
        reg = uleb(reader);
        set(program, reg, CR_CFI_OFFSET, scaled(program, uleb(reader)));
        break;                                                         /* offset_extended */
    case 0x06: restore(program, uleb(reader)); break;                  /* restore_extended */
    case 0x07: set(program, uleb(reader), CR_CFI_UNDEFINED, 0); break; /* undefined */
    case 0x08: set(program, uleb(reader), CR_CFI_SAME, 0); break;      /* same_value */
    case 0x09:
        reg = uleb(reader);
        set(program, reg, CR_CFI_REGISTER, (int64_t)uleb(reader));
        break;                           /* register */
    case 0x0a: remember(program); break; /* remember_state */
    case 0x0b: recall(program); break;   /* restore_state */
    case 0x0c:
        reg = uleb(reader);
        define_cfa(program, reg, (int64_t)uleb(reader));
        break;                                                                     /* def_cfa */
    case 0x0d: define_cfa(program, uleb(reader), program->now->cfa_offset); break; /* def_cfa_register */
    case 0x0e: program->now->cfa_offset = (int64_t)uleb(reader); break;            /* def_cfa_offset */
    case 0x0f:
        program->now->cfa_expression = reader->at;
        skip(reader, uleb(reader));
        break;                                                                  /* def_cfa_expression */
    case 0x10: set_expression(program, uleb(reader), CR_CFI_EXPRESSION); break; /* expression */
    case 0x11:
        reg = uleb(reader);
        set(program, reg, CR_CFI_OFFSET, scaled(program, (uint64_t)sleb(reader)));
        break; /* offset_extended_sf */
    case 0x12:
        reg = uleb(reader);
        define_cfa(program, reg, scaled(program, (uint64_t)sleb(reader)));
        break;                                                                            /* def_cfa_sf */
    case 0x13: program->now->cfa_offset = scaled(program, (uint64_t)sleb(reader)); break; /* def_cfa_offset_sf */
    case 0x14:
        reg = uleb(reader);
        set(program, reg, CR_CFI_VALUE_OFFSET, scaled(program, uleb(reader)));
        break; /* val_offset */
    case 0x15:
        reg = uleb(reader);
        set(program, reg, CR_CFI_VALUE_OFFSET, scaled(program, (uint64_t)sleb(reader)));
        break;                                                                        /* val_offset_sf */
    case 0x16: set_expression(program, uleb(reader), CR_CFI_VALUE_EXPRESSION); break; /* val_expression */
    case 0x2d: break;               /* aarch64, negate_ra_state: the signature is removed wherever there may be one */
    case 0x2e: uleb(reader); break; /* GNU_args_size */
    case 0x2f:
        reg = uleb(reader);
        set(program, reg, CR_CFI_OFFSET, -scaled(program, uleb(reader)));
        break; /* GNU_negative_offset_extended */
    default: reader->bad = true;
    }
}

/* Runs the instructions from begin to end, or until the row after the one for the target begins. */
static bool run(struct program *program, const uint8_t *begin, const uint8_t *end)
{
    struct reader *reader = &program->reader;
    *reader = (struct reader){.at = begin, .end = end};
    while (reader->at < reader->end && !reader->bad && program->location <= program->target) {
        uint8_t instruction = *reader->at++;
        uint8_t operand = instruction & 0x3f;
        switch (instruction >> 6) {
        case 1: advance(program, operand); break;
        case 2: set(program, operand, CR_CFI_OFFSET, scaled(program, uleb(reader))); break;
        case 3: restore(program, operand); break;
        default: run_extended(program, operand);
        }
    }
    return !reader->bad;
}

static enum cr_cfi_result run_both(const struct cie *cie, struct reader *fde, uintptr_t begin, uintptr_t address,
                                   struct cr_cfi *cfi)
{
    struct cr_cfi initial;
    struct program program = {.cie = cie, .target = address, .now = cfi, .initial = &initial};
    memset(cfi, 0, sizeof *cfi);
    cfi->signal = cie->signal;
    initial = *cfi;
    if (!run(&program, cie->instructions, cie->end))
        return CR_CFI_BAD;
    initial = *cfi;
    program.location = begin;
    return run(&program, fde->at, fde->end) ? CR_CFI_FOUND : CR_CFI_BAD;
}

enum cr_cfi_result cr_cfi_read(const struct cr_unwind_module *module, uintptr_t address, struct cr_cfi *cfi)
{
    bool bad;
    uintptr_t position = search(module, address, &bad);
    if (position == 0)
        return bad ? CR_CFI_BAD : CR_CFI_NONE;
    struct reader fde = enter(module, position);
    uintptr_t cie_pointer = (uintptr_t)fde.at;
    uint64_t distance = integer(&fde, 4);
    struct cie cie;
    if (fde.bad || distance == 0 || !read_cie(module, cie_pointer - (uintptr_t)distance, &cie))
        return CR_CFI_BAD;
    uintptr_t begin = pointer(&fde, cie.pointer_encoding);
    uintptr_t bytes = pointer(&fde, cie.pointer_encoding & 0x0f);
    if (cie.augmented)
        skip(&fde, uleb(&fde));
    if (fde.bad)
        return CR_CFI_BAD;
    if (address - begin >= bytes)
        return CR_CFI_NONE; /* a gap between functions */
    enum cr_cfi_result result = run_both(&cie, &fde, begin, address, cfi);
    cfi->end = begin + bytes;
    cr_arch_mend(cfi);
    return result;
}
