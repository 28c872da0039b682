/* fault_judge.c - from the facts of a fault to a verdict. Pure. See fault.h. */
#include <string.h>

#include "events/fault.h"
#include "base/banned.h"

/* ---- poison ---- */

static const struct {
    uint8_t byte;
    struct cr_poison poison;
} poisons[] = {
    {0xdd, {"freed blocks", "crunch --check and debugging allocators", true}},
    {0xcd, {"new blocks", "crunch --check and debugging allocators", false}},
    {0x5a, {"freed blocks", "jemalloc", true}},
    {0xa5, {"new blocks", "jemalloc", false}},
    {0x55, {"freed blocks", "macOS MallocScribble", true}},
    {0xaa, {"new blocks", "macOS MallocScribble", false}},
    {0xbe, {"new blocks", "AddressSanitizer", false}},
    {0xfd, {"the surroundings of blocks", "debugging allocators", false}},
    {0xcc, {"uninitialised variables", "debugging compilers", false}},
    {0xfe, {"uninitialised variables", "clang -ftrivial-auto-var-init=pattern", false}},
    {0xdf, {"freed blocks", "mimalloc", true}},
};

/* Whether value is eight, or the lower four, bytes of this kind, with a member's offset added. */
static bool consists_of(uint64_t value, uint8_t byte)
{
    uint64_t all = byte * UINT64_C(0x0101010101010101), half = byte * UINT64_C(0x01010101);
    return value - all + CR_FAULT_FIELD_BYTES < CR_FAULT_NULL_BYTES + CR_FAULT_FIELD_BYTES ||
           value - half + CR_FAULT_FIELD_BYTES < CR_FAULT_NULL_BYTES + CR_FAULT_FIELD_BYTES;
}

const struct cr_poison *cr_poison_find(uint64_t value, unsigned perturb)
{
    static const struct cr_poison freed = {"freed blocks", "glibc's malloc.perturb", true};
    static const struct cr_poison fresh = {"new blocks", "glibc's malloc.perturb", false};
    if (perturb && consists_of(value, (uint8_t)perturb))
        return &freed;
    if (perturb && consists_of(value, (uint8_t)~perturb))
        return &fresh;
    for (size_t i = 0; i < sizeof poisons / sizeof *poisons; i++)
        if (consists_of(value, poisons[i].byte))
            return &poisons[i].poison;
    return NULL;
}

const struct cr_poison *cr_fault_poison(const struct cr_fault *fault, uint64_t *value, const char **name)
{
    const struct cr_os_operand *operand = &fault->operand;
    const int numbers[] = {operand->base, operand->index};
    const struct cr_poison *poison = NULL;
    *name = "";
    for (size_t i = 0; i < 2 && !poison && operand->kind != CR_OPERAND_RETURN; i++)
        if (numbers[i] >= 0) {
            *value = fault->registers.word[numbers[i]];
            *name = cr_os_register_name((unsigned)numbers[i]);
            poison = cr_poison_find(*value, fault->perturb);
        }
    if (!poison && fault->has_target) {
        *name = "";
        poison = cr_poison_find(*value = fault->target, fault->perturb);
    }
    if (!poison && fault->has_address) {
        *name = "";
        poison = cr_poison_find(*value = fault->address, fault->perturb);
    }
    return poison;
}

static bool is_poisoned(const struct cr_fault *fault)
{
    uint64_t value;
    const char *name;
    return cr_fault_poison(fault, &value, &name) != NULL;
}

/* ---- the verdict ---- */

bool cr_fault_is_address(uint64_t address)
{
    uint64_t above = address >> (CR_OS_ADDRESS_BITS - 1);
    return above == 0 || above == UINT64_MAX >> (CR_OS_ADDRESS_BITS - 1);
}

/* Offsets from null that are negative, as of container_of, count as such. */
static bool is_near_null(uint64_t address)
{
    return address < CR_FAULT_NULL_BYTES || address >= 0 - (uint64_t)CR_FAULT_FIELD_BYTES;
}

/* Functions touch at most this much below their stack pointer, or far above it in a frame that is being made. */
#define STACK_REACH_BYTES 65536u

static bool is_stack_overflow(const struct cr_fault *fault)
{
    uintptr_t low = fault->stack.low;
    uint64_t reach = fault->registers.sp < low ? fault->registers.sp : low;
    return fault->stack.known && fault->address < low && fault->address >= reach - STACK_REACH_BYTES &&
           fault->registers.sp < low + STACK_REACH_BYTES && low - fault->address <= CR_FAULT_NEAR_BYTES;
}

static enum cr_fault_kind judge_jump(const struct cr_fault *fault)
{
    if (is_near_null(fault->address))
        return CR_FAULT_NULL_JUMP;
    if (is_poisoned(fault))
        return CR_FAULT_POISON;
    return fault->mapping.known ? CR_FAULT_NOT_EXECUTABLE : CR_FAULT_WILD_JUMP;
}

static enum cr_fault_kind judge_mapped(const struct cr_fault *fault)
{
    unsigned flags = fault->mapping.flags;
    if (fault->access != CR_ACCESS_READ && flags & CR_OS_READ && !(flags & CR_OS_WRITE))
        return CR_FAULT_READ_ONLY; /* where reading is allowed, what was not told must have been a write */
    unsigned needed = fault->access == CR_ACCESS_WRITE ? CR_OS_WRITE : CR_OS_READ;
    return flags & needed ? CR_FAULT_GUARDED : CR_FAULT_FORBIDDEN;
}

/* SIGSEGV and SIGBUS. */
static enum cr_fault_kind judge_access(const struct cr_fault *fault)
{
    if (fault->has_target && !cr_fault_is_address(fault->target))
        return is_poisoned(fault)                         ? CR_FAULT_POISON
               : fault->operand.kind == CR_OPERAND_RETURN ? CR_FAULT_BAD_RETURN
                                                          : CR_FAULT_NO_ADDRESS;
    if (!fault->has_address && fault->operand.kind == CR_OPERAND_SYSTEM)
        return CR_FAULT_SYSTEM;
    if (!fault->has_address)
        return is_poisoned(fault) ? CR_FAULT_POISON : CR_FAULT_NO_ADDRESS;
    if (fault->access == CR_ACCESS_EXECUTE)
        return judge_jump(fault);
    if (is_near_null(fault->address))
        return CR_FAULT_NULL;
    if (is_stack_overflow(fault))
        return CR_FAULT_STACK_OVERFLOW;
    if (!fault->mapping.known && is_poisoned(fault))
        return CR_FAULT_POISON;
    if (!cr_fault_is_address(fault->address))
        return CR_FAULT_NO_ADDRESS;
    if ((fault->signal == SIGBUS && fault->code == BUS_ADRALN) ||
        (fault->signal == SIGSEGV && fault->code == CR_OS_NO_ADDRESS))
        return CR_FAULT_MISALIGNED; /* the processor does not tell of it but by refusing a good address */
    bool is_file = fault->mapping.known && fault->mapping.path[0] == '/';
    if (fault->signal == SIGBUS && is_file &&
        (fault->code == BUS_ADRERR ||
         (fault->mapping.file_known &&
          fault->address - fault->mapping.start + fault->mapping.offset >= fault->mapping.file_bytes)))
        return CR_FAULT_BEYOND_FILE;
    return fault->mapping.known ? judge_mapped(fault) : CR_FAULT_UNMAPPED;
}

static bool begins(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

static enum cr_fault_kind judge_abort(const struct cr_fault *fault)
{
    static const char *const allocator[] = {"malloc",        "free(",         "double free", "corrupted ", "realloc(",
                                            "munmap_chunk(", "mremap_chunk(", "invalid ",    "tcache",     "calloc"};
    const char *message = fault->message;
    if (fault->sent && !fault->by_itself)
        return CR_FAULT_SENT;
    if (strstr(message, "Assertion `") || strstr(message, "Assertion '"))
        return CR_FAULT_ASSERTION;
    if (strstr(message, "stack smashing detected"))
        return CR_FAULT_SMASHED_STACK;
    for (size_t i = 0; i < sizeof allocator / sizeof *allocator; i++)
        if (begins(message, allocator[i]))
            return CR_FAULT_CORRUPT_HEAP;
    return fault->exception[0] ? CR_FAULT_EXCEPTION : CR_FAULT_ABORT;
}

enum cr_fault_kind cr_fault_judge(const struct cr_fault *fault)
{
    if (fault->signal == SIGABRT)
        return judge_abort(fault);
    if (fault->sent)
        return CR_FAULT_SENT;
    switch (fault->signal) {
    case SIGSEGV:
    case SIGBUS: return judge_access(fault);
    case SIGILL:
    case SIGTRAP: return CR_FAULT_TRAP;
    case SIGFPE: return CR_FAULT_ARITHMETIC;
    case SIGSYS: return CR_FAULT_SYSTEM_CALL;
    default: return CR_FAULT_UNEXPLAINED;
    }
}

/* ---- the block that explains it ---- */

bool cr_fault_is_inside(const struct cr_fault_block *block, uint64_t address)
{
    return block->known && address - block->address < block->size;
}

uint64_t cr_fault_distance(const struct cr_fault_block *block, uint64_t address)
{
    if (!block->known)
        return UINT64_MAX;
    if (address < block->address)
        return block->address - address;
    return cr_fault_is_inside(block, address) ? 0 : address - block->address - block->size;
}

const struct cr_fault_block *cr_fault_block(const struct cr_fault *fault)
{
    uint64_t address = fault->address;
    if (!fault->has_address)
        return NULL;
    if (cr_fault_is_inside(&fault->below, address))
        return &fault->below;
    if (fault->pointed.known)
        return &fault->pointed;
    uint64_t after = cr_fault_distance(&fault->below, address), before = cr_fault_distance(&fault->above, address);
    const struct cr_fault_block *nearest = after <= before ? &fault->below : &fault->above;
    return cr_fault_distance(nearest, address) <= CR_FAULT_NEAR_BYTES ? nearest : NULL;
}
