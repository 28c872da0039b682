/* unwind_full.c - steps that need all registers: rules on registers other than sp and fp (lazy binding has its CFA by rbx while malloc runs inside
 * of it), expressions, and the frames of signals, behind which an instruction was interrupted anywhere.
 *
 * The hook hands over only sp and fp. The other registers are found by walking from this function itself, through crunch's own
 * frames, up to the frame in question: rare enough to be slow. */
#include "platform/platform.h"
#include "platform/unwind_arch.h"
#include "platform/unwind_cfi.h"

#include <string.h>

#define MOST_STEPS 2048 /* frames from here to the one in question */

static bool ends(struct cr_unwind_walk *walk, enum cr_unwind_end end)
{
    walk->end = end;
    return false;
}

static bool find_cfi(uintptr_t address, struct cr_cfi *cfi, struct cr_unwind_walk *walk)
{
    struct cr_unwind_module module;
    if (address >> 48 || !cr_unwind_find_module(address, &module))
        return ends(walk, CR_UNWIND_NO_RULE);
    enum cr_cfi_result result = cr_cfi_read(&module, address, cfi);
    return result == CR_CFI_FOUND || ends(walk, result == CR_CFI_NONE ? CR_UNWIND_NO_RULE : CR_UNWIND_BAD_RULE);
}

static bool find_cfa(const struct cr_cfi *cfi, const struct cr_unwind_registers *registers, struct cr_unwind_walk *walk,
                     uintptr_t *cfa)
{
    if (cfi->cfa_expression)
        return cr_cfi_evaluate(cfi->cfa_expression, registers, &walk->memory, NULL, cfa) ||
               ends(walk, CR_UNWIND_BAD_RULE);
    if (cfi->cfa_register >= CR_UNWIND_REGISTERS)
        return ends(walk, CR_UNWIND_BAD_RULE);
    *cfa = registers->r[cfi->cfa_register] + (uintptr_t)cfi->cfa_offset;
    return true;
}

/* The caller's value of a register. *slot: where it was read, or 0. */
static bool find_register(const struct cr_cfi_rule *rule, unsigned number, const struct cr_unwind_registers *old,
                          uintptr_t cfa, struct cr_unwind_walk *walk, uintptr_t *value, uintptr_t *slot)
{
    uintptr_t address = cfa;
    bool is_value = rule->how == CR_CFI_VALUE_EXPRESSION || rule->how == CR_CFI_VALUE_OFFSET;
    *slot = 0;
    *value = number < CR_UNWIND_REGISTERS ? old->r[number] : 0;
    switch (rule->how) {
    case CR_CFI_SAME:
    case CR_CFI_UNDEFINED: return true;
    case CR_CFI_REGISTER:
        *value = rule->number >= 0 && rule->number < CR_UNWIND_REGISTERS ? old->r[rule->number] : 0;
        return true;
    case CR_CFI_OFFSET:
    case CR_CFI_VALUE_OFFSET: address = cfa + (uintptr_t)rule->number; break;
    case CR_CFI_EXPRESSION:
    case CR_CFI_VALUE_EXPRESSION:
        if (!cr_cfi_evaluate(rule->expression, old, &walk->memory, &cfa, &address))
            return ends(walk, CR_UNWIND_BAD_RULE);
        break;
    }
    if (!is_value && !cr_unwind_memory_has(&walk->memory, address))
        return ends(walk, CR_UNWIND_BAD_READ);
    *value = is_value ? address : *(const uintptr_t *)address;
    *slot = is_value ? 0 : address;
    return true;
}

/* From a frame's registers to its caller's, by the table. *ra_slot: where the return address was found, or 0. */
static bool step_by_table(struct cr_unwind_walk *walk, struct cr_unwind_registers *registers, const struct cr_cfi *cfi,
                          uintptr_t *ra_slot)
{
    struct cr_unwind_registers old = *registers;
    uintptr_t cfa, slot;
    old.r[CR_ARCH_RA] =
        CR_ARCH_RA == 16 ? old.pc : old.r[CR_ARCH_RA]; /* x86-64: expressions know the pc by this number */
    if (cfi->rule[CR_ARCH_RA].how == CR_CFI_UNDEFINED)
        return ends(walk, CR_UNWIND_ROOT);
    if (!find_cfa(cfi, &old, walk, &cfa))
        return false;
    for (unsigned i = 0; i < CR_UNWIND_REGISTERS; i++) {
        if (!find_register(&cfi->rule[i], i, &old, cfa, walk, &registers->r[i], i == CR_ARCH_RA ? ra_slot : &slot))
            return false;
    }
    if (cfi->rule[CR_ARCH_SP].how == CR_CFI_SAME)
        registers->r[CR_ARCH_SP] = cfa;
    registers->pc = CR_UNWIND_STRIP(registers->r[CR_ARCH_RA]);
    registers->exact = false;
    if (registers->pc == 0)
        return ends(walk, CR_UNWIND_ROOT);
    bool moved = registers->r[CR_ARCH_SP] != old.r[CR_ARCH_SP] || registers->pc != old.pc;
    return moved || ends(walk, CR_UNWIND_BAD_CFA);
}

/* From the frame a signal handler returns to, to the interrupted one, by the registers that the kernel put on the stack. */
static bool step_by_signal(struct cr_unwind_walk *walk, struct cr_unwind_registers *registers, uintptr_t *ra_slot)
{
    uintptr_t context = cr_arch_signal_context(registers->r[CR_ARCH_SP]);
    for (uintptr_t i = 0; i < CR_ARCH_SIGNAL_WORDS; i++) {
        if (!cr_unwind_memory_has(&walk->memory, context + i * sizeof context))
            return ends(walk, CR_UNWIND_BAD_READ);
    }
    cr_arch_signal_registers((const uintptr_t *)context, registers);
    registers->exact = true;
    *ra_slot = context + CR_ARCH_SIGNAL_PC_WORD * sizeof context;
    return true;
}

/* From an interrupted instruction where no table knows of code: a call through a wild pointer, or the first instruction of code made at run
 * time. Nothing has moved the stack pointer yet if the return address is still where a call puts it. */
static bool step_from_wild_call(struct cr_unwind_walk *walk, struct cr_unwind_registers *registers, uintptr_t *ra_slot)
{
    uintptr_t sp = registers->r[CR_ARCH_SP];
    if (!CR_ARCH_CALL_PUSHES) {
        registers->pc = CR_UNWIND_STRIP(registers->r[CR_ARCH_RA]);
    } else if (cr_unwind_memory_has(&walk->memory, sp)) {
        registers->pc = *(const uintptr_t *)sp;
        registers->r[CR_ARCH_SP] = sp + sizeof sp;
        *ra_slot = sp;
    } else {
        return ends(walk, CR_UNWIND_BAD_READ);
    }
    registers->exact = false;
    return cr_unwind_follows_call(registers->pc) || ends(walk, CR_UNWIND_NO_RULE);
}

static bool step(struct cr_unwind_walk *walk, struct cr_unwind_registers *registers, uintptr_t *ra_slot)
{
    struct cr_cfi cfi;
    uintptr_t address = registers->pc - !registers->exact;
    *ra_slot = 0;
    if (!registers->exact && (cr_unwind_rule(address) & CR_RULE_KIND_MASK) == CR_RULE_SIGNAL)
        return step_by_signal(walk, registers, ra_slot);
    if (find_cfi(address, &cfi, walk))
        return step_by_table(walk, registers, &cfi, ra_slot);
    return registers->exact && walk->end == CR_UNWIND_NO_RULE && step_from_wild_call(walk, registers, ra_slot);
}

/* Brings walk->all to walk's frame. */
static bool find_all(struct cr_unwind_walk *walk)
{
    struct cr_unwind_registers *all = &walk->all;
    uintptr_t slot;
    for (unsigned i = 0; i < MOST_STEPS; i++) {
        if (all->pc == walk->pc && all->r[CR_ARCH_SP] == walk->sp && all->exact == walk->exact)
            return true;
        if (!step(walk, all, &slot))
            break;
    }
    all->known = false;
    return ends(walk, CR_UNWIND_LOST);
}

bool cr_unwind_full_step(struct cr_unwind_walk *walk, struct cr_unwind_frame *frame)
{
    struct cr_unwind_registers *all = &walk->all;
    frame->flags = CR_FRAME_USES_FP | CR_FRAME_BARRIER;
    if (!all->known) {
        cr_arch_snapshot(all);
        all->known = true;
        all->exact = true;
    }
    if (!find_all(walk) || !step(walk, all, &frame[1].pc_slot))
        return false;
    walk->pc = all->pc;
    walk->sp = all->r[CR_ARCH_SP];
    walk->fp = all->r[CR_ARCH_FP];
    walk->exact = all->exact;
    return true;
}

void cr_unwind_start_exact(struct cr_unwind_walk *walk, const struct cr_os_registers *registers)
{
    struct cr_unwind_registers *all = &walk->all;
    walk->exact = true;
    all->exact = true;
    all->known = true;
    all->pc = registers->pc;
    memcpy(all->r, registers->word, sizeof all->r);
    all->r[CR_ARCH_SP] = registers->sp;
}
