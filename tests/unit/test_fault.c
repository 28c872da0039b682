/* Why a program crashed: verdicts from facts, fillings recognised, and what an instruction was going to touch. */
#include <string.h>

#include "events/fault.h"
#include "tap.h"

static char words[2048];

static const char *sentence(struct cr_fault *fault)
{
    struct cr_text text = CR_TEXT(words);
    words[0] = '\0';
    fault->kind = cr_fault_judge(fault);
    cr_fault_sentence(fault, &text);
    return words;
}

static bool says(struct cr_fault fault, const char *expected)
{
    bool same = !strcmp(sentence(&fault), expected);
    if (!same)
        printf("# it says: %s\n", words);
    return same;
}

/* A SIGSEGV at an address where nothing is mapped. */
static struct cr_fault segv(uint64_t address, enum cr_access access)
{
    return (struct cr_fault){.signal = SIGSEGV,
                             .code = SEGV_MAPERR,
                             .has_address = true,
                             .address = address,
                             .access = access,
                             .system_call = -1,
                             .operand = {CR_OPERAND_NONE, -1, -1, 0}};
}

static struct cr_fault_block block(uint64_t address, uint64_t size)
{
    return (struct cr_fault_block){.known = true, .address = address, .size = size};
}

static void test_neighbours(void)
{
    struct cr_fault fault = segv(0x20000000 + 10, CR_ACCESS_WRITE);
    fault.below = block(0x20000000, 10);
    ok(says(fault, "a write to an address 0 bytes after a live block of 10 bytes, where nothing is mapped"),
       "right behind a block");
    fault.address = 0x20000000 + 11;
    ok(says(fault, "a write to an address 1 byte after a live block of 10 bytes, where nothing is mapped"),
       "one byte is one");
    fault.address = 0x20000000 + 3;
    ok(says(fault, "a write to an address 3 bytes inside a live block of 10 bytes, where nothing is mapped"), "inside");
    fault.above = block(0x20000100, 1);
    fault.address = 0x200000ff;
    ok(says(fault, "a write to an address 1 byte before a live block of 1 byte, where nothing is mapped"),
       "the nearer one counts");
    fault.above.freed = true;
    ok(says(fault, "a write to an address 1 byte before a freed block of 1 byte, where nothing is mapped"), "freed");
    fault = segv(0x20000000 + 10 + CR_FAULT_NEAR_BYTES, CR_ACCESS_READ);
    fault.below = block(0x20000000, 10);
    ok(cr_fault_block(&fault) == &fault.below, "as far as is near");
    fault.address++;
    ok(says(fault, "a read from 0x2400000b, where nothing is mapped"), "too far");
    fault.pointed = block(0x10000000, 16);
    ok(cr_fault_block(&fault) == &fault.pointed, "a register knows better");
    fault.below = block(fault.address, 1);
    ok(cr_fault_block(&fault) == &fault.below, "but not than the block the address is in");
    fault.has_address = false;
    ok(!cr_fault_block(&fault), "no address, no block");
}

static void test_null(void)
{
    ok(says(segv(0, CR_ACCESS_READ), "a read through a null pointer"), "null");
    ok(says(segv(24, CR_ACCESS_WRITE), "a write to the field at offset 24 of a null pointer"), "a field");
    ok(says(segv(65535, CR_ACCESS_READ), "a read of what lies at offset 65535 from a null pointer"), "the last of it");
    ok(says(segv(65536, CR_ACCESS_READ), "a read from 0x10000, where nothing is mapped: maybe a null pointer with an "
                                         "offset of 65536 bytes"),
       "beyond that it is not sure");
    ok(says(segv(0x400000, CR_ACCESS_READ), "a read from 0x400000, where nothing is mapped"), "and no more");
    ok(says(segv(0 - UINT64_C(8), CR_ACCESS_UNKNOWN), "an access to what lies at offset -8 from a null pointer"),
       "before null");
    ok(says(segv(0, CR_ACCESS_EXECUTE), "a call through a null function pointer"), "a function");
    ok(says(segv(16, CR_ACCESS_EXECUTE), "a call through a function pointer that is nearly null, 0x10"), "nearly one");
}

static void test_stack(void)
{
    struct cr_fault fault = segv(0x700000000000 - 8, CR_ACCESS_WRITE);
    fault.stack.known = fault.stack.is_main = true;
    fault.stack.low = 0x700000000000;
    fault.stack.high = fault.stack.low + (8u << 20);
    fault.registers.sp = fault.stack.low;
    ok(says(fault, "stack overflow, 8.0 MiB used in the main thread"), "just below the stack");
    fault.registers.sp = fault.stack.low - 500000;
    fault.address = fault.registers.sp + 100;
    ok(says(fault, "stack overflow, 8.0 MiB used in the main thread, and a large array or alloca wanted 0.5 MiB more"),
       "a large frame");
    fault.registers.sp = fault.stack.low + (4u << 20);
    ok(cr_fault_judge(&fault) == CR_FAULT_UNMAPPED, "half of the stack is free: something else");
    fault.stack.is_main = false;
    fault.stack.high = fault.stack.low + (300u << 10);
    fault.registers.sp = fault.stack.low + 64;
    fault.address = fault.stack.low - 4096;
    ok(says(fault, "stack overflow, 0.3 MiB used in a thread other than the main one"), "of a thread");
    fault.stack.known = false;
    ok(cr_fault_judge(&fault) == CR_FAULT_UNMAPPED, "bounds unknown");
}

static void test_mappings(void)
{
    struct cr_fault fault = segv(0x30001000, CR_ACCESS_WRITE);
    fault.mapping.known = true;
    fault.mapping.start = 0x30000000;
    fault.mapping.end = 0x30010000;
    fault.mapping.flags = CR_OS_READ;
    ok(says(fault, "a write to read-only memory"), "read-only");
    strcpy(fault.mapping.path, "/lib/libx.so");
    ok(says(fault, "a write to a read-only mapping of /lib/libx.so"), "of a file");
    fault.mapping.has_code = true;
    ok(says(fault, "a write to a read-only mapping of /lib/libx.so, where string constants and other constants lie"),
       "of a module");
    fault.mapping.flags = CR_OS_READ | CR_OS_EXECUTE;
    ok(says(fault, "a write to the code of /lib/libx.so"), "code");
    fault.mapping.flags = 0;
    ok(says(fault, "a write to 0x30001000, in memory that allows no such access"), "nothing allowed");
    fault.mapping.flags = CR_OS_READ | CR_OS_WRITE;
    ok(says(fault, "a write to 0x30001000, in a guard page or behind a protection key"), "all allowed");
    fault.access = CR_ACCESS_EXECUTE;
    ok(says(fault, "a jump to memory that is not executable, in /lib/libx.so"), "a jump");
    fault.signal = SIGBUS;
    fault.code = BUS_ADRERR;
    fault.access = CR_ACCESS_READ;
    fault.mapping.offset = 0x1000;
    fault.mapping.file_known = true;
    fault.mapping.file_bytes = 0x1800;
    ok(says(fault, "a read from the mapped file /lib/libx.so, 2048 bytes beyond its end"), "beyond the end of a file");
    fault.code = BUS_ADRALN;
    ok(cr_fault_judge(&fault) == CR_FAULT_MISALIGNED, "misaligned");
}

static void test_no_address(void)
{
    struct cr_fault fault = segv(0x8000000000001234, CR_ACCESS_UNKNOWN);
    ok(says(fault, "an access through 0x8000000000001234, which is no address: its upper bits are not all alike"),
       "not canonical");
    fault = segv(0, CR_ACCESS_UNKNOWN);
    fault.has_address = false;
    ok(says(fault, "an access through a pointer that is no address: its upper bits are not all alike"), "unknown");
    fault.has_target = true;
    fault.target = 0x4141414141414141;
    fault.operand.kind = CR_OPERAND_RETURN;
    ok(says(fault, "a return to 0x4141414141414141, the text \"AAAAAAAA\", which is no address: the return address on "
                   "the stack has been overwritten"),
       "a return");
    fault.operand.kind = CR_OPERAND_TARGET;
    fault.target = 0xc141414141414141;
    ok(says(fault, "a call through 0xc141414141414141, which is no address: its upper bits are not all alike"),
       "a call");
    fault = segv(0x20000001, CR_ACCESS_UNKNOWN);
    fault.code = CR_OS_NO_ADDRESS;
    ok(says(fault, "an access to 0x20000001, which is not aligned as the instruction demands"), "misaligned");
    fault.has_address = false;
    fault.operand.kind = CR_OPERAND_SYSTEM;
    ok(says(fault, "an instruction that only the operating system may use"), "the system's");
}

static void test_poison(void)
{
    ok(cr_poison_find(0xdddddddddddddddd, 0) && cr_poison_find(0xdddddddddddddddd, 0)->freed, "freed");
    ok(cr_poison_find(0xddddddddddddddf5, 0) && cr_poison_find(0xddddddddddddddd5, 0),
       "with an offset, of either sign");
    ok(cr_poison_find(0xdddddddd, 0) != NULL, "half a word");
    ok(!cr_poison_find(0xdddddddddddddddd + 65536, 0) && !cr_poison_find(0xdddd, 0), "too far off, too short");
    ok(cr_poison_find(0xcdcdcdcdcdcdcdcd, 0) && !cr_poison_find(0xcdcdcdcdcdcdcdcd, 0)->freed, "new");
    ok(!cr_poison_find(0x4141414141414141, 0) && cr_poison_find(0x4141414141414141, 0x41), "glibc's own choice");
    ok(cr_poison_find(0xbebebebebebebebe, 0x41) && !cr_poison_find(0xbebebebebebebebe, 0x41)->freed,
       "and its opposite");
    ok(!cr_poison_find(0, 0) && !cr_poison_find(0x7fffdeadbeef, 0), "ordinary numbers");
    struct cr_fault fault = segv(0xddddddddddddddf5, CR_ACCESS_UNKNOWN);
    fault.operand = (struct cr_os_operand){CR_OPERAND_MEMORY, 3, -1, fault.address};
    fault.registers.word[3] = 0xdddddddddddddddd;
    ok(cr_fault_judge(&fault) == CR_FAULT_POISON && strstr(sentence(&fault), "through 0xdddddddddddddddd in ") &&
           strstr(words, "a pointer was read from a freed block's content"),
       "in a register: %s", words);
}

static void test_other_signals(void)
{
    struct cr_fault fault = {.signal = SIGABRT, .sent = true, .by_itself = true};
    ok(says(fault, "abort was called"), "abort");
    strcpy(fault.message, "prog: a.c:3: f: Assertion `x' failed.\n");
    ok(says(fault, "a failed assertion: prog: a.c:3: f: Assertion `x' failed."), "assert");
    strcpy(fault.message, "malloc(): corrupted top size\n");
    ok(says(fault, "the allocator found its heap damaged and gave up: malloc(): corrupted top size"), "the heap");
    strcpy(fault.message, "*** stack smashing detected ***: terminated\n");
    ok(cr_fault_judge(&fault) == CR_FAULT_SMASHED_STACK, "the stack");
    fault.message[0] = '\0';
    strcpy(fault.exception, "N3app5ErrorE");
    ok(says(fault, "a C++ exception that nobody caught: app::Error"), "an exception");
    strcpy(fault.exception, "St13runtime_error");
    ok(says(fault, "a C++ exception that nobody caught: std::runtime_error"), "a standard one");
    strcpy(fault.exception, "PKc");
    ok(says(fault, "a C++ exception that nobody caught: const char *"), "a string");
    strcpy(fault.exception, "St6vectorIiSaIiEE");
    ok(says(fault, "a C++ exception that nobody caught: St6vectorIiSaIiEE"), "what is not understood stays as it is");
    strcpy(fault.exception, "N99999999999999999999x");
    ok(says(fault, "a C++ exception that nobody caught: N99999999999999999999x"), "and so does nonsense");
    fault.by_itself = false;
    fault.sender = 77;
    ok(says(fault, "sent by process 77"), "another's SIGABRT");
    ok(says((struct cr_fault){.signal = SIGSYS, .system_call = 41}, "a system call that is not allowed, number 41"),
       "a system call");
    ok(says((struct cr_fault){.signal = SIGFPE, .code = FPE_INTDIV}, "integer division by zero"), "a division");
    ok(says((struct cr_fault){.signal = SIGTERM}, ""), "no fault at all");
}

#if defined(__x86_64__)

static struct cr_os_operand decode(const char *code, size_t bytes)
{
    struct cr_os_registers registers = {.pc = 0x401000};
    for (unsigned i = 0; i < 16; i++)
        registers.word[i] = 0x1000 * (i + 1);
    return cr_os_operand(&registers, (const uint8_t *)code, bytes);
}

/* DWARF numbers: rax rdx rcx rbx rsi rdi rbp rsp r8 ... */
#define MEMORY(code, b, i, a)                                                                                          \
    ((operand = decode(code, sizeof code - 1)).kind == CR_OPERAND_MEMORY && operand.base == (b) &&                     \
     operand.index == (i) && operand.address == (a))

static void test_operand(void)
{
    struct cr_os_operand operand;
    ok(MEMORY("\xc6\x00\x01", 0, -1, 0x1000), "movb $1, (rax)");
    ok(MEMORY("\xc6\x80\xff\xff\xff\x00\x01", 0, -1, 0x1000 + 0xffffff), "movb $1, 0xffffff(rax)");
    ok(MEMORY("\x48\x8b\x40\x18", 0, -1, 0x1018), "mov 24(rax), rax");
    ok(MEMORY("\x48\x8b\x43\xf8", 3, -1, 0x4000 - 8), "mov -8(rbx), rax");
    ok(MEMORY("\x41\x8b\x04\x24", 12, -1, 0xd000), "mov (r12), eax");
    ok(MEMORY("\x4a\x8b\x04\xe0", 0, 12, 0x1000 + 8 * 0xd000), "mov (rax, r12, 8), rax");
    ok(MEMORY("\x8b\x04\x8d\x10\x00\x00\x00", -1, 2, 4 * 0x3000 + 16), "mov 16(, rcx, 4), eax");
    ok(MEMORY("\x0f\xb6\x06", 4, -1, 0x5000), "movzbl (rsi), eax");
    ok(MEMORY("\xf3\xa4", 4, -1, 0x5000), "rep movsb");
    ok(MEMORY("\xf3\x48\xab", 5, -1, 0x6000), "rep stosq");
    ok(MEMORY("\xc5\xfe\x6f\x06", 4, -1, 0x5000), "vmovdqu (rsi), ymm0");
    ok(MEMORY("\xc4\xc1\x7e\x6f\x07", 15, -1, 0x10000), "vmovdqu (r15), ymm0");
    ok(MEMORY("\xff\x50\x10", 0, -1, 0x1010), "call *16(rax)");
    ok(MEMORY("\x50", 7, -1, 0x8000), "push rax");
    operand = decode("\xff\xd2", 2);
    ok(operand.kind == CR_OPERAND_TARGET && operand.address == 0x2000, "call *rdx");
    ok(decode("\xc3", 1).kind == CR_OPERAND_RETURN, "ret");
    ok(decode("\x48\x8d\x40\x18", 4).kind == CR_OPERAND_NONE, "lea touches nothing");
    ok(decode("\x64\x8b\x04\x25\x28\x00\x00\x00", 8).kind == CR_OPERAND_NONE, "fs: is not known");
    ok(decode("\x48\x8b\x05\x10\x00\x00\x00", 7).kind == CR_OPERAND_NONE, "beside the code");
    ok(decode("\x0f\x05", 2).kind == CR_OPERAND_NONE, "syscall");
    ok(decode("\xf4", 1).kind == CR_OPERAND_SYSTEM, "hlt");
    ok(decode("\x0f\x30", 2).kind == CR_OPERAND_SYSTEM, "wrmsr");
    for (unsigned i = 0; i < 65536; i++) {
        const char code[2] = {(char)(i >> 8), (char)i};
        decode(code, 2);
    }
    ok(true, "every beginning can be read");
}

static uint64_t divisor;

static bool divides(const char *code, size_t bytes)
{
    static const uint64_t at_rbx[] = {0x1122334455667788, 99};
    struct cr_os_registers registers = {.pc = (uintptr_t)at_rbx};
    for (unsigned i = 0; i < 16; i++)
        registers.word[i] = UINT64_C(0xf00000000) + 0x1234 * (i + 1);
    registers.word[3] = (uintptr_t)at_rbx;
    return cr_os_divisor(&registers, (const uint8_t *)code, bytes, &divisor);
}

#define DIVIDES(code, by) (divides(code, sizeof code - 1) && divisor == UINT64_C(by))

static void test_divisor(void)
{
    ok(DIVIDES("\xf7\xf9", 0x369c), "idiv ecx");
    ok(DIVIDES("\x48\xf7\xf9", 0xf0000369c), "idiv rcx");
    ok(DIVIDES("\x66\xf7\xf1", 0x369c), "div cx");
    ok(DIVIDES("\xf6\xf1", 0x9c) && DIVIDES("\xf6\xf5", 0x36), "div cl, div ch");
    ok(DIVIDES("\x49\xf7\xf8", 0xf0000a3d4), "idiv r8");
    ok(DIVIDES("\xf7\x3b", 0x55667788) && DIVIDES("\x48\xf7\x7b\x08", 99), "idivl (rbx), idivq 8(rbx)");
    ok(DIVIDES("\x48\xf7\x3d\x01\x00\x00\x00", 99), "idivq beside the code");
    ok(!divides("\xf7\xe1", 2) && !divides("\xf7\xd9", 2) && !divides("\x48\x01\xc8", 3) && !divides("\xf7", 1),
       "mul, neg, add and half of one do not divide");
}

#else

static void test_operand(void)
{
    struct cr_os_registers registers = {.pc = 0x401000};
    registers.word[1] = 0x5000;
    struct cr_os_operand operand = cr_os_operand(&registers, (const uint8_t *)"\x20\x0c\x40\xf9", 4);
    ok(operand.kind == CR_OPERAND_MEMORY && operand.base == 1, "ldr x0, [x1, #24]");
    ok(cr_os_operand(&registers, (const uint8_t *)"\x20\x00\x02\x8b", 4).kind == CR_OPERAND_NONE, "add x0, x1, x2");
}

static void test_divisor(void) {}

#endif

static volatile int reached;

__attribute__((no_sanitize("address", "undefined", "thread"))) static void goes_wrong(void *unused)
{
    (void)unused;
    reached = 1;
    *(volatile int *)((uintptr_t)reached << 12) = 1;
    reached = 2;
}

static void goes_well(void *argument) { *(int *)argument = 7; }

static void test_guarded_call(void)
{
    int value = 0;
    struct sigaction before, after;
    sigaction(SIGSEGV, NULL, &before);
    for (int i = 0; i < 3; i++)
        ok(!cr_os_guarded_call(goes_wrong, NULL) && reached == 1, "a fault ends the call, again and again");
    ok(cr_os_guarded_call(goes_well, &value) && value == 7, "a call without one comes to its end");
    ok(!sigaction(SIGSEGV, NULL, &after) && after.sa_handler == before.sa_handler, "handlers are as they were");
}

int main(void)
{
    test_neighbours();
    test_null();
    test_stack();
    test_mappings();
    test_no_address();
    test_poison();
    test_other_signals();
    test_operand();
    test_divisor();
    test_guarded_call();
    return tap_done();
}
