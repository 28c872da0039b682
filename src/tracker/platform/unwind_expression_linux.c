/* unwind_expression.c - DWARF expressions as they occur in unwind tables (DWARF 5, 2.5). See unwind_cfi.h. */
#include "platform/unwind_cfi.h"

#include <string.h>

#define STACK 16       /* entries */
#define MOST_STEPS 256 /* a bound for expressions that branch back */

struct machine {
    uintptr_t stack[STACK];
    unsigned used;
    const uint8_t *at, *begin, *end;
    const struct cr_unwind_registers *registers;
    struct cr_unwind_memory *memory;
    bool bad;
};

static void push(struct machine *machine, uint64_t value)
{
    if (machine->used < STACK)
        machine->stack[machine->used++] = (uintptr_t)value;
    else
        machine->bad = true;
}

static uintptr_t pop(struct machine *machine)
{
    if (machine->used > 0)
        return machine->stack[--machine->used];
    machine->bad = true;
    return 0;
}

static void push_copy(struct machine *machine, uint64_t depth)
{
    if (depth < machine->used)
        push(machine, machine->stack[machine->used - 1 - depth]);
    else
        machine->bad = true;
}

static uint64_t literal(struct machine *machine, unsigned bytes, bool is_signed)
{
    uint64_t value = 0;
    if ((size_t)(machine->end - machine->at) < bytes) {
        machine->bad = true;
        return 0;
    }
    memcpy(&value, machine->at, bytes);
    machine->at += bytes;
    unsigned unused = 64 - 8 * bytes;
    return is_signed ? (uint64_t)((int64_t)(value << unused) >> unused) : value;
}

static void push_register(struct machine *machine, uint64_t reg, int64_t offset)
{
    if (reg < CR_UNWIND_REGISTERS)
        push(machine, machine->registers->r[reg] + (uint64_t)offset);
    else
        machine->bad = true;
}

static void dereference(struct machine *machine, unsigned bytes)
{
    uintptr_t address = pop(machine);
    uint64_t value = 0;
    uintptr_t word = address & ~(uintptr_t)7;
    if (machine->bad || bytes == 0 || bytes > 8 || (address & 7) + bytes > 8 ||
        !cr_unwind_memory_has(machine->memory, word)) {
        machine->bad = true;
        return;
    }
    memcpy(&value, (const void *)address, bytes);
    push(machine, value);
}

static void jump(struct machine *machine, bool taken)
{
    int64_t distance = (int64_t)literal(machine, 2, true);
    if (!taken || machine->bad)
        return;
    if (distance < machine->begin - machine->at || distance > machine->end - machine->at)
        machine->bad = true;
    else
        machine->at += distance;
}

static void rotate(struct machine *machine)
{
    uintptr_t first = pop(machine), second = pop(machine), third = pop(machine);
    push(machine, first);
    push(machine, third);
    push(machine, second);
}

static void divide(struct machine *machine, bool modulo)
{
    uintptr_t b = pop(machine), a = pop(machine);
    if (b == 0 || (!modulo && (intptr_t)a == INTPTR_MIN))
        machine->bad = true;
    else
        push(machine, modulo ? a % b : (uint64_t)((intptr_t)a / (intptr_t)b));
}

/* Operations on the two topmost entries. False: it is not one. */
static bool binary(struct machine *machine, uint8_t operation)
{
    if (!(operation == 0x1a || operation == 0x1c || operation == 0x1e || operation == 0x21 || operation == 0x22 ||
          (operation >= 0x24 && operation <= 0x27) || (operation >= 0x29 && operation <= 0x2e)))
        return false;
    uintptr_t b = pop(machine), a = pop(machine);
    intptr_t sb = (intptr_t)b, sa = (intptr_t)a;
    switch (operation) {
    case 0x1a: push(machine, a & b); break;
    case 0x1c: push(machine, a - b); break;
    case 0x1e: push(machine, a * b); break;
    case 0x21: push(machine, a | b); break;
    case 0x22: push(machine, a + b); break;
    case 0x24: push(machine, b < 64 ? a << b : 0); break;
    case 0x25: push(machine, b < 64 ? a >> b : 0); break;
    case 0x26: push(machine, sa < 0 ? ~(~a >> (b < 64 ? b : 63)) : a >> (b < 64 ? b : 63)); break;
    case 0x27: push(machine, a ^ b); break;
    case 0x29: push(machine, a == b); break;
    case 0x2a: push(machine, sa >= sb); break;
    case 0x2b: push(machine, sa > sb); break;
    case 0x2c: push(machine, sa <= sb); break;
    case 0x2d: push(machine, sa < sb); break;
    case 0x2e: push(machine, a != b); break;
    default: break;
    }
    return true;
}

static void other(struct machine *machine, uint8_t operation)
{
    uintptr_t top;
    switch (operation) {
    case 0x03: push(machine, literal(machine, sizeof(void *), false)); break; /* addr */
    case 0x06: dereference(machine, sizeof(void *)); break;                   /* deref */
    case 0x08:                                                                /* const1u to const8s */
    case 0x0a:
    case 0x0c:
    case 0x0e: push(machine, literal(machine, 1u << (operation - 0x08) / 2, false)); break;
    case 0x09:
    case 0x0b:
    case 0x0d:
    case 0x0f: push(machine, literal(machine, 1u << (operation - 0x09) / 2, true)); break;
    case 0x10: push(machine, cr_cfi_uleb(&machine->at)); break;           /* constu */
    case 0x11: push(machine, (uint64_t)cr_cfi_sleb(&machine->at)); break; /* consts */
    case 0x12: push_copy(machine, 0); break;                              /* dup */
    case 0x13: pop(machine); break;                                       /* drop */
    case 0x14: push_copy(machine, 1); break;                              /* over */
    case 0x15: push_copy(machine, literal(machine, 1, false)); break;     /* pick */
    case 0x16:
        top = pop(machine);
        push_copy(machine, 0);
        if (machine->used > 1)
            machine->stack[machine->used - 2] = top;
        break;                         /* swap */
    case 0x17: rotate(machine); break; /* rot */
    case 0x19:
        top = pop(machine);
        push(machine, (intptr_t)top < 0 ? 0 - top : top);
        break;                                         /* abs */
    case 0x1b: divide(machine, false); break;          /* div */
    case 0x1d: divide(machine, true); break;           /* mod */
    case 0x1f: push(machine, 0 - pop(machine)); break; /* neg */
    case 0x20: push(machine, ~pop(machine)); break;    /* not */
    case 0x23:
        top = pop(machine);
        push(machine, top + cr_cfi_uleb(&machine->at));
        break; /* plus_uconst */
    case 0x28:
        top = pop(machine);
        jump(machine, top != 0);
        break;                             /* bra */
    case 0x2f: jump(machine, true); break; /* skip */
    case 0x92: {
        uint64_t reg = cr_cfi_uleb(&machine->at);
        push_register(machine, reg, cr_cfi_sleb(&machine->at));
        break;
    }                                                                             /* bregx */
    case 0x94: dereference(machine, (unsigned)literal(machine, 1, false)); break; /* deref_size */
    case 0x96: break;                                                             /* nop */
    default: machine->bad = true;
    }
}

bool cr_cfi_evaluate(const uint8_t *expression, const struct cr_unwind_registers *registers,
                     struct cr_unwind_memory *memory, const uintptr_t *first, uintptr_t *result)
{
    struct machine machine = {.registers = registers, .memory = memory};
    uint64_t length = cr_cfi_uleb(&expression);
    machine.begin = machine.at = expression;
    machine.end = expression + length;
    if (first)
        push(&machine, *first);
    for (unsigned steps = 0; machine.at < machine.end && !machine.bad; steps++) {
        uint8_t operation = *machine.at++;
        if (steps == MOST_STEPS)
            return false;
        if (operation >= 0x30 && operation <= 0x4f) /* lit0 to lit31 */
            push(&machine, operation - 0x30u);
        else if (operation >= 0x70 && operation <= 0x8f) /* breg0 to breg31 */
            push_register(&machine, operation - 0x70u, cr_cfi_sleb(&machine.at));
        else if (!binary(&machine, operation))
            other(&machine, operation);
    }
    *result = pop(&machine);
    return !machine.bad;
}
