/* unwind_cfi.h - reads call frame information (.eh_frame) for one address. Private to the Linux unwinder.
 *
 * Sources: DWARF 5, 6.4 (call frame information) and 2.5 (expressions); Linux Standard Base Core 5.0, 10.6 (.eh_frame and
 * .eh_frame_hdr). Works in place: needs no memory of its own but 2 KB of stack. */
#ifndef CR_PLATFORM_UNWIND_CFI_H
#define CR_PLATFORM_UNWIND_CFI_H

#include "platform/unwind_platform.h"

enum cr_cfi_how {
    CR_CFI_SAME, /* unchanged (also where nothing is said) */
    CR_CFI_UNDEFINED,
    CR_CFI_OFFSET,          /* at CFA + number */
    CR_CFI_VALUE_OFFSET,    /* is CFA + number */
    CR_CFI_REGISTER,        /* in register number */
    CR_CFI_EXPRESSION,      /* at what the expression yields */
    CR_CFI_VALUE_EXPRESSION /* is what the expression yields */
};

struct cr_cfi_rule {
    union {
        int64_t number;
        const uint8_t *expression; /* its length as ULEB128, then its bytes */
    };
    enum cr_cfi_how how;
};

/* How to find the caller's registers from a frame's. */
struct cr_cfi {
    const uint8_t *cfa_expression; /* else null: the CFA is cfa_register + cfa_offset */
    int64_t cfa_offset;
    uint32_t cfa_register;
    bool signal;   /* the frame a signal handler returns to */
    uintptr_t end; /* of the function */
    struct cr_cfi_rule rule[CR_UNWIND_REGISTERS];
};

enum cr_cfi_result { CR_CFI_FOUND, CR_CFI_NONE, CR_CFI_BAD };

/* Fills cfi for the instruction at address, which lies in module. */
enum cr_cfi_result cr_cfi_read(const struct cr_unwind_module *module, uintptr_t address, struct cr_cfi *cfi);

/* Evaluates an expression on registers (DWARF 5, 2.5), beginning with first on its stack if that is not null. False: an operation that is
 * not supported, or a read outside of memory. */
bool cr_cfi_evaluate(const uint8_t *expression, const struct cr_unwind_registers *registers,
                     struct cr_unwind_memory *memory, const uintptr_t *first, uintptr_t *result);

/* LEB128 numbers (DWARF 5, 7.6). *at moves behind them. */
uint64_t cr_cfi_uleb(const uint8_t **at);
int64_t cr_cfi_sleb(const uint8_t **at);

#endif
