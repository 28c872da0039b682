/* fault.c - the facts of a fault, collected in the crash handler. See fault.h. */
#include "events/fault.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unwind_trace.h"
#include "events/guard.h"
#include "events/signal_words.h"
#include "platform/platform.h"
#include "state/block_table.h"
#include "state/thread.h"
#include "base/banned.h"

/* ---- what the processor says ---- */

/* Whether the address is one that was accessed, and not that of an instruction. */
static bool is_access(const struct cr_fault *fault)
{
    return (fault->signal == SIGSEGV || fault->signal == SIGBUS) && !fault->sent;
}

static void read_signal(struct cr_fault *fault, const siginfo_t *info, const void *context)
{
    const struct cr_signal *words = cr_signal_find(info->si_signo);
    fault->signal = info->si_signo;
    fault->code = info->si_code;
    fault->sent = cr_signal_sent(info);
    fault->sender = fault->sent ? info->si_pid : 0;
    fault->by_itself = fault->sent && info->si_pid == getpid();
    fault->system_call = info->si_signo == SIGSYS ? cr_os_system_call(info) : -1;
    cr_os_read_context(context, &fault->registers);
    fault->code_length = cr_os_read_memory(fault->registers.pc, fault->code_bytes, sizeof fault->code_bytes);
    fault->has_address = words && words->address && !fault->sent && info->si_code != CR_OS_NO_ADDRESS;
    if (fault->has_address)
        fault->address = (uintptr_t)info->si_addr;
    if (!is_access(fault))
        return;
    fault->access = cr_os_access(context);
    if (!fault->access && fault->has_address && fault->address == fault->registers.pc)
        fault->access = CR_ACCESS_EXECUTE; /* where the processor's word is not passed on */
}

static void read_operand(void *argument)
{
    struct cr_fault *fault = argument;
    fault->operand = (struct cr_os_operand){CR_OPERAND_NONE, -1, -1, 0};
    if (fault->signal == SIGFPE && !fault->sent)
        fault->divisor_known = cr_os_divisor(&fault->registers, fault->code_bytes, fault->code_length, &fault->divisor);
    if (!is_access(fault) || fault->access == CR_ACCESS_EXECUTE)
        return;
    fault->operand = cr_os_operand(&fault->registers, fault->code_bytes, fault->code_length);
    if (fault->operand.kind == CR_OPERAND_TARGET) {
        fault->target = fault->operand.address;
        fault->has_target = !fault->has_address;
    } else if (fault->operand.kind == CR_OPERAND_RETURN && !fault->has_address) {
        fault->target = *(const uint64_t *)(uintptr_t)fault->operand.address;
        fault->has_target = true;
    }
    bool is_address = cr_fault_is_address(fault->operand.address);
    if (fault->operand.kind == CR_OPERAND_MEMORY && !fault->has_address &&
        (!is_address || fault->operand.address % CR_FAULT_ALIGNED_BYTES)) {
        fault->address = fault->operand.address; /* which the processor does not tell */
        fault->has_address = true;
    }
}

/* ---- where it is ---- */

/* The thread's stack: of the main one, which grows, what is mapped; of others, what their creator gave. A thread that has not used the
 * heap is not known: its stack is the memory just above an access near its stack pointer. */
static void find_stack(struct cr_fault *fault)
{
    const struct cr_thread *thread = cr_tls_get();
    fault->stack.is_main = cr_os_is_main_thread();
    if ((uintptr_t)thread <= CR_THREAD_BUSY || !thread->unwind->stack_high)
        return;
    fault->stack.low = thread->unwind->stack_low;
    fault->stack.high = thread->unwind->stack_high;
    fault->stack.known = true;
}

static bool look_at_mapping(void *context, const struct cr_os_mapping *mapping)
{
    struct cr_fault *fault = context;
    uintptr_t top = fault->stack.high - 1;
    if (fault->stack.is_main && top - mapping->start < mapping->end - mapping->start)
        fault->stack.low = mapping->start;
    uintptr_t reach = fault->registers.sp + CR_FAULT_NULL_BYTES - mapping->start;
    if (!fault->stack.high && fault->address < mapping->start && reach < 2 * CR_FAULT_NULL_BYTES &&
        mapping->flags & CR_OS_WRITE) {
        fault->stack.low = mapping->start;
        fault->stack.high = mapping->end;
        fault->stack.known = true;
    }
    if (!fault->has_address || fault->address - mapping->start >= mapping->end - mapping->start)
        return true;
    struct cr_text path = CR_TEXT(fault->mapping.path);
    fault->mapping.known = true;
    fault->mapping.start = mapping->start;
    fault->mapping.end = mapping->end;
    fault->mapping.offset = mapping->offset;
    fault->mapping.flags = mapping->flags;
    cr_text_string(&path, mapping->name);
    return true;
}

static bool look_for_code(void *context, const struct cr_os_mapping *mapping)
{
    struct cr_fault *fault = context;
    fault->mapping.has_code = mapping->flags & CR_OS_EXECUTE && !strcmp(mapping->name, fault->mapping.path);
    return !fault->mapping.has_code;
}

static void find_mapping(void *argument)
{
    struct cr_fault *fault = argument;
    struct stat status;
    find_stack(fault);
    if (cr_os_each_mapping(look_at_mapping, fault))
        fault->incomplete = true;
    if (fault->mapping.path[0] == '/' && !stat(fault->mapping.path, &status)) {
        fault->mapping.file_known = true;
        fault->mapping.file_bytes = (uint64_t)status.st_size;
        cr_os_each_mapping(look_for_code, fault);
    }
}

/* ---- which block it has to do with ---- */

static struct cr_fault_block describe(const struct cr_record *record, uint64_t address)
{
    return (struct cr_fault_block){.known = true,
                                   .kind = cr_record_tag(record) & CR_TAG_KIND,
                                   .address = address,
                                   .size = cr_record_size(record),
                                   .site = record->node,
                                   .thread = record->thread};
}

/* Whether a register of the operand points to the block or right behind it. */
static bool is_pointed_at(const struct cr_fault *fault, uint64_t address, uint64_t size)
{
    const int numbers[] = {fault->operand.base, fault->operand.index};
    for (size_t i = 0; i < 2; i++)
        if (numbers[i] >= 0 && fault->registers.word[numbers[i]] - address <= size)
            return true;
    return false;
}

static void look_at_block(void *context, struct cr_record *record)
{
    struct cr_fault *fault = context;
    uint64_t address = record->address;
    if (!address)
        return;
    if (fault->operand.kind == CR_OPERAND_MEMORY && is_pointed_at(fault, address, cr_record_size(record)) &&
        (!fault->pointed.known || address > fault->pointed.address))
        fault->pointed = describe(record, address);
    if (address <= fault->address && (!fault->below.known || address > fault->below.address))
        fault->below = describe(record, address);
    if (address > fault->address && (!fault->above.known || address < fault->above.address))
        fault->above = describe(record, address);
}

/* All records, without the region index: that takes no lock, finds a block at any distance, and the list of remaining blocks costs as
 * much again. */
static void find_blocks(void *argument)
{
    struct cr_fault *fault = argument;
    if (is_access(fault) && fault->has_address && cr_fault_is_address(fault->address))
        cr_block_each(look_at_block, fault);
}

/* What is not mapped any more may have been a large block. */
static void find_freed(void *argument)
{
    struct cr_fault *fault = argument;
    struct cr_freed_block freed;
    if (!is_access(fault) || !fault->has_address || cr_fault_is_inside(&fault->below, fault->address))
        return;
    for (const struct cr_thread *thread = NULL; (thread = cr_thread_next(thread));) {
        if (!cr_freed_around(thread->freed, (uintptr_t)fault->address, &freed))
            continue;
        fault->below = describe(&freed.record, freed.record.address);
        fault->below.freed = true;
        fault->below.freed_site = freed.site;
        fault->below.freed_by = freed.caller;
    }
}

/* On the pages of guarded blocks, live or freed, one of them is meant. */
static void find_guarded(void *argument)
{
    struct cr_fault *fault = argument;
    struct cr_guarded guarded;
    if (!fault->has_address || !cr_guard_find(fault->address, &guarded))
        return;
    struct cr_fault_block block = {
        .known = true,
        .freed = !guarded.live,
        .kind = guarded.kind,
        .address = guarded.block,
        .size = guarded.size,
        .site = guarded.allocated,
        .freed_site = guarded.freed,
        .thread = guarded.allocated_thread,
    };
    fault->below.known = fault->above.known = fault->pointed.known = false;
    fault->guarded = true;
    *(fault->address < guarded.block ? &fault->above : &fault->below) = block;
}

/* Crunch itself has mapped memory since, for writing what it writes, maybe just there. */
static void leave_out_own(void *argument)
{
    struct cr_fault *fault = argument;
    bool was_nothing = fault->signal == SIGSEGV && fault->code == SEGV_MAPERR && !fault->guarded;
    if (was_nothing && fault->has_address && fault->mapping.known && cr_os_is_own((uintptr_t)fault->address))
        fault->mapping.known = false;
}

/* ---- last words ---- */

static void copy_text(struct cr_text *text, const char *from)
{
    if (from)
        cr_text_string(text, from); /* cut to what there is room for */
}

static void read_message(void *argument)
{
    struct cr_fault *fault = argument;
    struct cr_text text = CR_TEXT(fault->message);
    if (fault->signal == SIGABRT)
        copy_text(&text, cr_os_abort_message());
}

static void read_exception(void *argument)
{
    struct cr_fault *fault = argument;
    struct cr_text text = CR_TEXT(fault->exception);
    if (fault->signal == SIGABRT)
        copy_text(&text, cr_os_exception_type());
}

/* MALLOC_PERTURB_=165, or GLIBC_TUNABLES=glibc.malloc.perturb=165. */
static void read_perturb(void *argument)
{
    struct cr_fault *fault = argument;
    static const char *const names[] = {"MALLOC_PERTURB_=", "glibc.malloc.perturb="};
    char **variable = cr_os_environment();
    for (; variable && *variable; variable++)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const char *found = strstr(*variable, names[i]);
            unsigned value = 0;
            if (!found || (!i && found != *variable) || (i && strncmp(*variable, "GLIBC_TUNABLES=", 15) != 0))
                continue;
            for (found += strlen(names[i]); *found >= '0' && *found <= '9'; found++)
                value = value * 10 + (unsigned)(*found - '0');
            fault->perturb = value & 0xff;
        }
}

static void gather(const siginfo_t *info, const void *context, struct cr_fault *fault)
{
    static void (*const steps[])(void *) = {read_operand,  find_mapping, find_blocks,    find_freed,  find_guarded,
                                            leave_out_own, read_message, read_exception, read_perturb};
    memset(fault, 0, sizeof *fault);
    read_signal(fault, info, context);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (!cr_os_guarded_call(steps[i], fault))
            fault->incomplete = true;
    fault->kind = cr_fault_judge(fault);
}

/* ---- faults that the program has handled ---- */

static struct {
    struct cr_unwind_trace trace;
    siginfo_t info;
    const void *sent; /* the context of the signal that the program sent */
    const void *context;
    struct cr_fault fault;
} handled;

/* Whether the instruction that a context stands at is one that makes this page fault. */
static bool makes_fault(const void *context, uint64_t address)
{
    enum { WIDEST = 64 }; /* bytes that an instruction touches, on either side: a push is below its register */
    struct cr_os_registers registers;
    uint8_t code[CR_OS_CODE_BYTES];
    cr_os_read_context(context, &registers);
    if (registers.pc == address)
        return true;
    size_t count = cr_os_read_memory(registers.pc, code, sizeof code);
    struct cr_os_operand operand = cr_os_operand(&registers, code, count);
    return operand.kind == CR_OPERAND_MEMORY && address - operand.address + WIDEST < 2 * WIDEST;
}

/* Whether a context is of a fault; info is made to tell of it. */
static bool is_of_fault(siginfo_t *info, const void *context)
{
    return cr_os_is_last_fault(info, context) ||
           (cr_os_last_page_fault(context, info) && makes_fault(context, (uintptr_t)info->si_addr));
}

/* The fault that the context itself is at, when a handler has returned and the signal that it sent came after that; else the innermost one that a
 * handler on the stack was called for. */
static void find_handled(void *argument)
{
    const struct cr_fault *fault = argument;
    const struct cr_unwind_trace *trace = &handled.trace;
    memset(&handled.info, 0, sizeof handled.info);
    if (is_of_fault(&handled.info, handled.sent)) {
        handled.context = handled.sent;
        return;
    }
    cr_unwind_trace(&fault->registers, fault->stack.low, fault->stack.high, &handled.trace);
    for (uint32_t i = 1; i < trace->frames && !handled.context; i++) {
        if (!trace->frame[i].exact)
            continue;
        handled.context = cr_os_handled(trace->frame[i - 1].sp, &handled.info);
        if (handled.context && !is_of_fault(&handled.info, handled.context))
            handled.context = NULL;
    }
}

/* A program that says its own last words and then ends itself by the same signal, or another: why it crashed is the first one's affair. */
static void explain_handled(struct cr_fault *fault, const void *context)
{
    handled.sent = context;
    handled.context = NULL;
    if (!fault->sent || !fault->by_itself || !cr_os_guarded_call(find_handled, fault) || !handled.context)
        return;
    cr_os_read_signal(&handled.info, handled.context);
    gather(&handled.info, handled.context, &handled.fault);
    fault->handled = &handled.fault;
}

void cr_fault_gather(const siginfo_t *info, const void *context, struct cr_fault *fault)
{
    gather(info, context, fault);
    explain_handled(fault, context);
}
