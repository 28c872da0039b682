/* base/unwind: code with tables, without, and addresses that are none of code. */
#include "base/unwind.h"

#include <stdlib.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

#include "platform/unwind_platform.h"
#include "random.h"
#include "tap.h"
#include "written_stack.h"

/* ---- rules ---- */

/* From the table, then from the cache, while addresses compete for places. */
static void test_rules(void)
{
    uintptr_t begin = (uintptr_t)recurse & ~(uintptr_t)0xfff;
    uint32_t wrong = 0, kinds = 0;
    for (uintptr_t i = 0; i < 6000; i++) {
        if (i == 3000)
            cr_unwind_flush();
        uintptr_t address = begin + i % 3000;
        uint32_t rule = cr_unwind_rule(address), kind = rule & CR_RULE_KIND_MASK;
        kinds |= 1u << kind;
        wrong += cr_unwind_rule_peek(address) != (kind == CR_RULE_FRAME ? rule : 0);
        wrong += cr_unwind_rule(address) != rule;
    }
    ok(wrong == 0 && kinds & 1u << CR_RULE_FRAME, "the cache gives what the table gives");
}

/* Most of them lie in some code, at some distance from some stack. */
static struct cr_unwind_start wild_start(const struct cr_unwind_start *start, uint64_t *random)
{
    uintptr_t code[] = {start->pc + random_below(random, 4096), (uintptr_t)malloc + random_below(random, 65536),
                        (uintptr_t)random_next(random)};
    uintptr_t fp[] = {start->sp + random_below(random, 1024), (uintptr_t)random_next(random)};
    return (struct cr_unwind_start){.pc = code[random_below(random, 3)],
                                    .sp = start->sp + 8 * random_below(random, 32), /* a stack pointer is never odd */
                                    .fp = fp[random_below(random, 2)]};
}

/* The address sanitizer takes what is read on the way for a mistake. */
#if !defined(__has_feature)
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define WILD_STARTS 0
#else
#define WILD_STARTS 20000
#endif

static NOINLINE void test_wild_starts(void)
{
    struct cr_unwind_start start = CR_UNWIND_START();
    uint64_t random = 1;
    int captures = 0;
    ENTER();
    for (int i = 0; i < WILD_STARTS; i++) {
        struct cr_unwind_start wild = wild_start(&start, &random);
        captures += cr_unwind_capture(written->state, &wild).frames > 0;
    }
    ok(captures == WILD_STARTS, "wild addresses do no harm");
    recurse(30);
    check("nor to the stacks after them");
    LEAVE();
}

#if defined(__linux__)

/* ---- code without tables, as assembly and compilers at run time make it ---- */

/* All call function with their own return address. The first keeps the chain of frame pointers, in the second the frame pointer points nowhere; the
 * third has none either, but does nothing behind the call but return. */
void with_chain(void (*function)(uintptr_t));
void without_chain(void (*function)(uintptr_t));
void trampoline(void (*function)(uintptr_t));

#if defined(__x86_64__)
__asm__(".text\n.p2align 6\n.fill 64, 1, 0x90\n"
        ".globl with_chain\nwith_chain:\n"
        " pushq %rbp\n movq %rsp, %rbp\n subq $48, %rsp\n movq %rdi, %rax\n movq 8(%rbp), %rdi\n callq *%rax\n"
        " nop\n addq $48, %rsp\n popq %rbp\n ret\n"
        ".globl without_chain\nwithout_chain:\n"
        " pushq %rbp\n movl $77, %ebp\n subq $64, %rsp\n movq %rdi, %rax\n movq 72(%rsp), %rdi\n callq *%rax\n"
        " nop\n addq $64, %rsp\n popq %rbp\n ret\n"
        ".globl trampoline\ntrampoline:\n"
        " pushq %r12\n pushq %rbp\n movl $77, %ebp\n subq $72, %rsp\n movq %rdi, %rax\n movq 88(%rsp), %rdi\n callq *%rax\n"
        " addq $72, %rsp\n popq %rbp\n popq %r12\n ret\n"
        ".fill 64, 1, 0x90\n");
#else
__asm__(".text\n.p2align 6\n nop\n nop\n nop\n nop\n"
        ".globl with_chain\nwith_chain:\n"
        " stp x29, x30, [sp, #-48]!\n mov x29, sp\n mov x1, x0\n mov x0, x30\n blr x1\n"
        " nop\n ldp x29, x30, [sp], #48\n ret\n"
        ".globl without_chain\nwithout_chain:\n"
        " stp x29, x30, [sp, #-48]!\n mov x29, #77\n mov x1, x0\n mov x0, x30\n blr x1\n"
        " nop\n ldp x29, x30, [sp], #48\n ret\n"
        ".globl trampoline\ntrampoline:\n"
        " stp x29, x30, [sp, #-48]!\n mov x29, #77\n mov x1, x0\n mov x0, x30\n blr x1\n"
        " ldp x29, x30, [sp], #48\n ret\n"
        " nop\n nop\n nop\n nop\n");
#endif

static NOINLINE void inside(uintptr_t return_address)
{
    written->address[written->depth++] = CR_UNWIND_STRIP(return_address);
    ENTER();
    hook();
    LEAVE();
    LEAVE();
}

/* hook's caller, inside's, and nothing more. */
static bool ends_there(void) { return written->stack.end == CR_UNWIND_NO_RULE && written->stack.frames == 2; }

static NOINLINE void test_without_tables(void)
{
    ENTER();
    for (volatile int i = 0; i < 3; i++)
        with_chain(inside);
    /* The chain does not tell a caller's sp there: where the caller needs it, the stack ends rather than err. */
    bool may_end = !CR_FRAME_RECORD_ON_TOP && ends_there();
    ok(written->mismatches == 0 || may_end, "code without a table that keeps the frame pointer");
    without_chain(inside);
    ok(ends_there(), "code without a table and frame pointer ends the stack, with the reason");
    written->mismatches = written->captures = 0;
    for (volatile int i = 0; i < 3; i++)
        trampoline(inside);
    check("code without a table that returns right behind its call");
    LEAVE();
}

/* ---- the same on two stacks, as Go calls C: on a stack of its own, whose code has no tables but keeps the frame pointer, down to the thread's ---- */

#if defined(__x86_64__)
/* Calls function on the stack it was called on, from code that runs on the other one; with its return addresses. */
void by_other_stack(void (*function)(uintptr_t, uintptr_t, uintptr_t), void *other_stack_top);
__asm__(".text\n.p2align 6\n"
        "back_on_own:\n"
        " pushq %rbp\n movq %rsp, %rbp\n leaq -512(%rsi), %rsp\n andq $-16, %rsp\n movq %rdi, %rax\n"
        " movq 8(%rbp), %rdi\n movq (%rbp), %rcx\n movq 8(%rcx), %rsi\n movq (%rcx), %rcx\n movq 8(%rcx), %rdx\n"
        " callq *%rax\n movq %rbp, %rsp\n popq %rbp\n ret\n"
        "on_other:\n"
        " pushq %rbp\n movq %rsp, %rbp\n callq back_on_own\n nop\n popq %rbp\n ret\n"
        ".globl by_other_stack\nby_other_stack:\n"
        " pushq %rbp\n movq %rsp, %rbp\n movq %rsi, %rsp\n movq %rbp, %rsi\n callq on_other\n"
        " movq %rbp, %rsp\n popq %rbp\n ret\n"
        ".fill 64, 1, 0x90\n");

static NOINLINE void behind_other_stack(uintptr_t inner, uintptr_t middle, uintptr_t outer)
{
    uintptr_t callers[] = {outer, middle, inner};
    for (unsigned i = 0; i < 3; i++)
        written->address[written->depth++] = callers[i];
    ENTER();
    hook();
    LEAVE();
    written->depth -= 3;
}

static NOINLINE void test_other_stack(void)
{
    static char *other;
    if (!other)
        other = written_map(65536);
    ENTER();
    for (volatile int i = 0; i < 3; i++)
        by_other_stack(behind_other_stack, other + 65536);
    bool known = written->state->stack_high != 0; /* else nothing tells that the frame pointer leads to another stack */
    ok(known ? written->mismatches == 0 : ends_there(), "code without a table on another stack");
    written->mismatches = written->captures = 0;
    LEAVE();
}
#else
static void test_other_stack(void) { skip("frame pointers tell no stack pointer here"); }
#endif

/* The code that the kernel puts into every process. There is none under an emulator, or no list of modules tells. */
static void test_vdso(void)
{
    uintptr_t begin = (uintptr_t)getauxval(AT_SYSINFO_EHDR);
    uint32_t found = 0;
    for (uintptr_t i = 0; begin && i < 4096; i++)
        found += (cr_unwind_rule(begin + i) & CR_RULE_KIND_MASK) == CR_RULE_FRAME;
    ok(found > 0 || !begin, "rules for the vdso");
}

#else
static void test_without_tables(void) { skip("all code keeps the frame pointer here"); }
static void test_other_stack(void) { skip("all code keeps the frame pointer here"); }
static void test_vdso(void) { skip("there is no vdso here"); }
#endif

static NOINLINE void run(void)
{
    ENTER();
    test_rules();
    test_wild_starts();
    test_without_tables();
    test_other_stack();
    test_vdso();
    LEAVE();
}

int main(void)
{
    written_run(run);
    return tap_done();
}
