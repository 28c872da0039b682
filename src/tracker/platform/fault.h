/* fault.h - what a signal handler can learn about a fault from the system: the access, all registers, and a way to do what
 * may fault again. As platform.h; all of it may be called from a signal handler. */
#ifndef CR_PLATFORM_FAULT_H
#define CR_PLATFORM_FAULT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platform/platform.h"

/* ---- registers ---- */

struct cr_os_register {
    const char *name;
    uint64_t value;
};
#define CR_OS_MOST_REGISTERS 48
/* All registers of a handler's context with their names, program counter and flags too. Returns how many. */
size_t cr_os_list_registers(const void *context, struct cr_os_register *list);

/* The name of a general register by its DWARF number; sp and fp by their own names. */
const char *cr_os_register_name(unsigned number);

/* What a signal handler of the program's was given: sp is that of the frame it returns to. The context, copied into static memory, for cr_os_read_context
 * and the like; NULL: it cannot be read, or nobody knows where it lies. info may be anything where the handler did not ask for it. */
const void *cr_os_handled(uintptr_t sp, siginfo_t *info);
/* Whether info tells of the fault that a context says was the thread's last one. */
bool cr_os_is_last_fault(const siginfo_t *info, const void *context);
/* info as the kernel makes it of a page fault, from a context: of the thread's last one, whether or not it is what the context is of. false: that was no
 * page fault, or is not known. */
bool cr_os_last_page_fault(const void *context, siginfo_t *info);

/* ---- the access ---- */

enum cr_access { CR_ACCESS_UNKNOWN, CR_ACCESS_READ, CR_ACCESS_WRITE, CR_ACCESS_EXECUTE };
/* What the processor says of the access that was refused. */
enum cr_access cr_os_access(const void *context);

/* What an instruction was going to touch. */
struct cr_os_operand {
    enum { CR_OPERAND_NONE, CR_OPERAND_MEMORY, CR_OPERAND_TARGET, CR_OPERAND_RETURN, CR_OPERAND_SYSTEM } kind;
    int base, index; /* DWARF numbers of the registers the address is made of; -1: none */
    uint64_t
        address; /* MEMORY: of the access, TARGET: jumped to, RETURN: where the return address lies; SYSTEM: the instruction is
                       * the operating system's */
};
#define CR_OS_CODE_BYTES 16 /* the longest instruction is not longer */
/* Reads the instruction, of which `count` bytes are there. NONE where the processor tells the address anyway, or the instruction is
 * not understood. */
struct cr_os_operand cr_os_operand(const struct cr_os_registers *registers, const uint8_t *bytes, size_t count);

/* What an instruction divides by; false: it does not divide, or what it divides by is not known. */
bool cr_os_divisor(const struct cr_os_registers *registers, const uint8_t *bytes, size_t count, uint64_t *divisor);

/* The size of what the processor loads at once: an address has this many bits, the rest are copies of the highest of them. */
#define CR_OS_ADDRESS_BITS 48

/* ---- calls that may fault ---- */

/* Calls fn(argument). A fault in it, in this thread, ends the call, and nothing else. Whether it came to its end. Not nested, and by
 * one thread at a time. Leaves the calling thread's signals blocked, if they were. */
bool cr_os_guarded_call(void (*fn)(void *argument), void *argument);

/* ---- last words ---- */

/* What the C library or the C++ runtime said before it aborted, as it keeps it; NULL: nothing, or not known. May point into ruins. */
const char *cr_os_abort_message(void);
/* The mangled name of the type of the C++ exception that is being handled in this thread; NULL: none. May point into ruins. */
const char *cr_os_exception_type(void);
/* Of SIGSYS, the system call's number; -1: not known. */
int cr_os_system_call(const siginfo_t *info);

#endif
