/* fault_words.c - a verdict in words. Pure. See fault.h. */
#include <string.h>

#include "events/errors.h"
#include "events/fault.h"
#include "events/signal_words.h"
#include "base/banned.h"

static void put(struct cr_text *text, const char *words) { cr_text_string(text, words); }

static void put_count(struct cr_text *text, uint64_t count, const char *noun)
{
    cr_text_decimal(text, count);
    cr_text_char(text, ' ');
    put(text, noun);
    if (count != 1)
        cr_text_char(text, 's');
}

static void put_mebibytes(struct cr_text *text, uint64_t bytes)
{
    uint64_t tenths = (bytes * 10 + (1u << 19)) >> 20;
    cr_text_decimal(text, tenths / 10);
    cr_text_char(text, '.');
    cr_text_decimal(text, tenths % 10);
    put(text, " MiB");
}

/* "20 bytes inside a live block of 100 bytes" */
static void put_place(struct cr_text *text, const struct cr_fault_block *block, uint64_t address)
{
    bool inside = cr_fault_is_inside(block, address);
    put_count(text, inside ? address - block->address : cr_fault_distance(block, address), "byte");
    put(text, inside ? " inside a " : address < block->address ? " before a " : " after a ");
    put(text, block->freed ? "freed block of " : "live block of ");
    put_count(text, block->size, "byte");
}

static const char *access_noun(const struct cr_fault *fault)
{
    switch (fault->access) {
    case CR_ACCESS_READ: return "a read";
    case CR_ACCESS_WRITE: return "a write";
    case CR_ACCESS_EXECUTE: return "a jump";
    default: return "an access";
    }
}

/* "a read from ", "a write to " */
static void put_access(struct cr_text *text, const struct cr_fault *fault)
{
    put(text, access_noun(fault));
    put(text, fault->access == CR_ACCESS_READ ? " from " : " to ");
}

static void put_null(struct cr_text *text, const struct cr_fault *fault)
{
    uint64_t address = fault->address;
    if (!address) {
        put(text, access_noun(fault));
        put(text, " through a null pointer");
        return;
    }
    put(text, access_noun(fault));
    put(text, fault->access == CR_ACCESS_READ ? " of " : " to ");
    put(text, address < CR_FAULT_FIELD_BYTES ? "the field at offset " : "what lies at offset ");
    cr_text_signed(text, (int64_t)address);
    put(text, address < CR_FAULT_FIELD_BYTES ? " of a null pointer" : " from a null pointer");
}

static void put_null_jump(struct cr_text *text, const struct cr_fault *fault)
{
    if (!fault->address) {
        put(text, "a call through a null function pointer");
        return;
    }
    put(text, "a call through a function pointer that is nearly null, ");
    cr_text_hex(text, fault->address);
}

/* Frames are larger than this for a large array only. */
#define MANY_PAGES_BYTES 65536u

static void put_overflow(struct cr_text *text, const struct cr_fault *fault)
{
    uint64_t end = fault->address < fault->registers.sp ? fault->address : fault->registers.sp;
    uint64_t low = fault->stack.low;
    bool frame = end < low && low - end > MANY_PAGES_BYTES;
    put(text, "stack overflow, ");
    put_mebibytes(text, fault->stack.high - (end < low ? low : end));
    put(text, fault->stack.is_main ? " used in the main thread" : " used in a thread other than the main one");
    if (!frame)
        return;
    put(text, ", and a large array or alloca wanted ");
    put_mebibytes(text, low - end);
    put(text, " more");
}

static void put_poison(struct cr_text *text, const struct cr_fault *fault)
{
    uint64_t value = 0;
    const char *name;
    const struct cr_poison *poison = cr_fault_poison(fault, &value, &name);
    put(text, access_noun(fault));
    put(text, fault->access == CR_ACCESS_EXECUTE ? " to " : " through ");
    cr_text_hex(text, value);
    if (name[0]) {
        put(text, " in ");
        put(text, name);
    }
    put(text, ", which fills ");
    put(text, poison ? poison->fills : "blocks");
    put(text, poison && poison->freed ? ": a pointer was read from a freed block's content ("
                                      : ": a pointer was read that had never been set (");
    put(text, poison ? poison->by : "");
    cr_text_char(text, ')');
}

/* A pointer whose bytes are letters was overwritten by text. */
static void put_letters(struct cr_text *text, uint64_t value)
{
    enum { LEAST = 6 };
    char letters[sizeof value + 1] = "";
    size_t n = 0;
    for (; n < sizeof value && value >> 8 * n & 0xff; n++)
        letters[n] = (char)(value >> 8 * n & 0xff);
    if (n < LEAST || (n < sizeof value && value >> 8 * n))
        return;
    for (size_t i = 0; i < n; i++)
        if (letters[i] < ' ' || letters[i] > '~')
            return;
    put(text, ", the text \"");
    put(text, letters);
    put(text, "\"");
}

static void put_no_address(struct cr_text *text, const struct cr_fault *fault)
{
    uint64_t value = fault->has_target ? fault->target : fault->has_address ? fault->address : fault->operand.address;
    bool known = fault->has_target || fault->has_address || fault->operand.kind == CR_OPERAND_MEMORY;
    put(text, fault->has_target ? "a call" : access_noun(fault));
    put(text, " through ");
    if (known && !cr_fault_is_address(value)) {
        cr_text_hex(text, value);
        put_letters(text, value);
        put(text, ", which is no address: its upper bits are not all alike");
    } else
        put(text, "a pointer that is no address: its upper bits are not all alike");
}

/* Where a jump went that is mapped, but not as code. */
static void put_not_executable(struct cr_text *text, const struct cr_fault *fault)
{
    put(text, "a jump to memory that is not executable");
    const struct cr_fault_block *block = cr_fault_block(fault);
    uint64_t address = fault->address;
    if (block && cr_fault_is_inside(block, address)) {
        put(text, ", ");
        put_place(text, block, address);
    } else if (fault->stack.known && address >= fault->stack.low && address < fault->stack.high)
        put(text, ", on the thread's stack");
    else if (fault->mapping.path[0]) {
        put(text, ", in ");
        put(text, fault->mapping.path);
    }
}

static void put_beyond_file(struct cr_text *text, const struct cr_fault *fault)
{
    uint64_t at = fault->address - fault->mapping.start + fault->mapping.offset;
    put_access(text, fault);
    put(text, "the mapped file ");
    put(text, fault->mapping.path);
    if (fault->mapping.file_known && at >= fault->mapping.file_bytes) {
        put(text, ", ");
        put_count(text, at - fault->mapping.file_bytes, "byte");
        put(text, " beyond its end");
    } else
        put(text, " where it has no bytes: it has become shorter");
}

static void put_read_only(struct cr_text *text, const struct cr_fault *fault)
{
    const struct cr_fault_block *block = cr_fault_block(fault);
    if (fault->mapping.path[0] == '/') {
        put(text,
            fault->mapping.flags & CR_OS_EXECUTE ? "a write to the code of " : "a write to a read-only mapping of ");
        put(text, fault->mapping.path);
        if (!(fault->mapping.flags & CR_OS_EXECUTE) && fault->mapping.has_code)
            put(text, ", where string constants and other constants lie");
        return;
    }
    put(text, "a write to read-only memory");
    if (block && cr_fault_is_inside(block, fault->address)) {
        put(text, ", ");
        put_place(text, block, fault->address);
    }
}

/* Programs and what they map lie above this, as a rule. */
#define LOWEST_BYTES ((uint64_t)4 << 20)

/* What is near, and then why that does not help. */
static void put_near(struct cr_text *text, const struct cr_fault *fault, const char *why)
{
    const struct cr_fault_block *block = cr_fault_block(fault);
    put_access(text, fault);
    if (block) {
        put(text, "an address ");
        put_place(text, block, fault->address);
    } else {
        cr_text_hex(text, fault->address);
        put_letters(text, fault->address);
    }
    put(text, why);
    if (!block && fault->kind == CR_FAULT_UNMAPPED && fault->address < LOWEST_BYTES) {
        put(text, ": maybe a null pointer with an offset of ");
        put_count(text, fault->address, "byte");
    }
}

static void put_message(struct cr_text *text, const char *words, const char *message)
{
    size_t length = strlen(message);
    while (length && (message[length - 1] == '\n' || message[length - 1] == ' '))
        length--;
    put(text, words);
    for (size_t i = 0; i < length; i++)
        if (message[i] == '\n') /* one line */
            cr_text_char(text, ' ');
        else
            cr_text_char(text, message[i]);
}

/* A name in a mangled one: its length, then itself (Itanium C++ ABI 5.1.3). Returns what follows, or NULL. */
static const char *put_source_name(struct cr_text *text, const char *at)
{
    size_t length = 0, held = strlen(at);
    if (*at < '1' || *at > '9')
        return NULL;
    for (; *at >= '0' && *at <= '9' && length <= held; at++)
        length = length * 10 + (size_t)(*at - '0');
    if (length > strlen(at))
        return NULL;
    for (size_t i = 0; i < length; i++)
        cr_text_char(text, at[i]);
    return at + length;
}

/* The name of a class, if it is made of plain names only: N3app5ErrorE, St13runtime_error. */
static bool put_class_name(struct cr_text *text, const char *at)
{
    bool nested = *at == 'N';
    at += nested;
    if (at[0] == 'S' && at[1] == 't') {
        put(text, "std::");
        at += 2;
    }
    while ((at = put_source_name(text, at)) && nested && *at != 'E')
        put(text, "::");
    return at && !strcmp(at, nested ? "E" : "");
}

static void put_exception(struct cr_text *text, const struct cr_fault *fault)
{
    static const char *const builtin[][2] = {{"i", "int"}, {"PKc", "const char *"}}; /* what is thrown of them */
    char bytes[sizeof fault->exception];
    struct cr_text name = CR_TEXT(bytes);
    put(text, "a C++ exception that nobody caught: ");
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++)
        if (!strcmp(fault->exception, builtin[i][0])) {
            put(text, builtin[i][1]);
            return;
        }
    put(text, put_class_name(&name, fault->exception) && !name.cut ? bytes : fault->exception);
}

static void put_abort(struct cr_text *text, const struct cr_fault *fault)
{
    switch (fault->kind) {
    case CR_FAULT_ASSERTION: put_message(text, "a failed assertion: ", fault->message); break;
    case CR_FAULT_SMASHED_STACK:
        put(text, "a function found its stack frame overwritten when it returned: a write beyond the end of a local "
                  "array (stack smashing)");
        break;
    case CR_FAULT_CORRUPT_HEAP:
        put_message(text, "the allocator found its heap damaged and gave up: ", fault->message);
        break;
    case CR_FAULT_EXCEPTION: put_exception(text, fault); break;
    default:
        if (cr_errors_abort_reason())
            put(text, "crunch ended the program at its first error, as it was told to");
        else
            put_message(text, fault->message[0] ? "abort was called: " : "abort was called", fault->message);
    }
}

static void put_trap(struct cr_text *text, const struct cr_fault *fault)
{
    const uint8_t *code = fault->code_bytes;
    bool x86_trap = fault->code_length >= 2 && code[0] == 0x0f && (code[1] == 0x0b || code[1] == 0xb9);
    bool arm_trap = fault->code_length >= 4 && code[3] == 0xd4 && (code[2] & 0xe0) == 0x20; /* brk */
    if (fault->signal == SIGTRAP)
        put(text, "a breakpoint instruction, as __builtin_debugtrap and debuggers set it");
    else if (x86_trap || arm_trap)
        put(text, "a trap instruction, as __builtin_trap, __builtin_unreachable and sanitizers in trap mode set it");
    else
        put(text, "an instruction that the processor does not have or does not allow");
}

/* The processor has one fault for both. */
static void put_arithmetic(struct cr_text *text, const struct cr_fault *fault)
{
    const siginfo_t info = {.si_signo = fault->signal, .si_code = fault->code};
    if (fault->divisor_known && fault->divisor)
        put(text, "an integer division whose result is too large, as of the smallest number by -1");
    else
        put(text, cr_signal_cause(&info));
}

static void put_sent(struct cr_text *text, const struct cr_fault *fault)
{
    if (fault->by_itself)
        put(text, "the program sent the signal to itself");
    else {
        put(text, "sent by process ");
        cr_text_signed(text, fault->sender);
    }
}

static void put_verdict(const struct cr_fault *fault, struct cr_text *text)
{
    switch (fault->kind) {
    case CR_FAULT_UNEXPLAINED: break;
    case CR_FAULT_NULL_JUMP: put_null_jump(text, fault); break;
    case CR_FAULT_WILD_JUMP: put_near(text, fault, ", where nothing is mapped"); break;
    case CR_FAULT_NOT_EXECUTABLE: put_not_executable(text, fault); break;
    case CR_FAULT_BAD_RETURN:
        put(text, "a return to ");
        cr_text_hex(text, fault->target);
        put_letters(text, fault->target);
        put(text, ", which is no address: the return address on the stack has been overwritten");
        break;
    case CR_FAULT_NULL: put_null(text, fault); break;
    case CR_FAULT_STACK_OVERFLOW: put_overflow(text, fault); break;
    case CR_FAULT_POISON: put_poison(text, fault); break;
    case CR_FAULT_NO_ADDRESS: put_no_address(text, fault); break;
    case CR_FAULT_BEYOND_FILE: put_beyond_file(text, fault); break;
    case CR_FAULT_READ_ONLY: put_read_only(text, fault); break;
    case CR_FAULT_FORBIDDEN:
        put_near(text, fault,
                 fault->guarded ? ", on a page that --guard keeps closed" : ", in memory that allows no such access");
        break;
    case CR_FAULT_GUARDED:
        put_near(text, fault,
                 fault->guarded ? ", on a page that --guard keeps closed"
                                : ", in a guard page or behind a protection key");
        break;
    case CR_FAULT_MISALIGNED: put_near(text, fault, ", which is not aligned as the instruction demands"); break;
    case CR_FAULT_UNMAPPED: put_near(text, fault, ", where nothing is mapped"); break;
    case CR_FAULT_TRAP: put_trap(text, fault); break;
    case CR_FAULT_SYSTEM: put(text, "an instruction that only the operating system may use"); break;
    case CR_FAULT_ARITHMETIC: put_arithmetic(text, fault); break;
    case CR_FAULT_SYSTEM_CALL:
        put(text, "a system call that is not allowed");
        if (fault->system_call >= 0) {
            put(text, ", number ");
            cr_text_signed(text, fault->system_call);
        }
        break;
    case CR_FAULT_ASSERTION:
    case CR_FAULT_SMASHED_STACK:
    case CR_FAULT_CORRUPT_HEAP:
    case CR_FAULT_EXCEPTION:
    case CR_FAULT_ABORT: put_abort(text, fault); break;
    case CR_FAULT_SENT: put_sent(text, fault); break;
    }
}

void cr_fault_sentence(const struct cr_fault *fault, struct cr_text *text)
{
    put_verdict(fault, text);
    const struct cr_fault *handled = fault->handled;
    const struct cr_signal *signal = handled ? cr_signal_find(handled->signal) : NULL;
    if (!signal)
        return;
    put(text, fault->kind == CR_FAULT_SENT ? ", in its handler of " : ", in the program's handler of ");
    put(text, signal->name);
    if (handled->has_address) {
        put(text, " at ");
        cr_text_hex(text, handled->address);
    }
    put(text, ": ");
    put_verdict(handled, text);
}
