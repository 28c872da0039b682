/* signals.c - macOS's signals for system.c: its numbers, its structures, and the contexts of its handlers. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "registers.h"

static const unsigned char numbers[32] = {0,  1,  2,  3,  4,  5,  6,  0,  8,  9,  7,  11, 31, 13, 14, 15,
                                          23, 19, 20, 18, 17, 21, 22, 29, 24, 25, 26, 27, 28, 0,  10, 12};

static int theirs(int number) { return number > 0 && number < 32 ? numbers[number] : 0; }

static int ours(int number)
{
    for (int i = 1; i < 32; i++)
        if (numbers[i] == number)
            return i;
    return 0;
}

static void mask_of(uint32_t set, sigset_t *mask)
{
    sigemptyset(mask);
    for (int i = 1; i < 32; i++)
        if (set >> (i - 1) & 1 && theirs(i))
            sigaddset(mask, theirs(i));
}

static uint32_t set_of(const sigset_t *mask)
{
    uint32_t set = 0;
    for (int i = 1; i < 32; i++)
        if (theirs(i) && sigismember(mask, theirs(i)) == 1)
            set |= 1u << (i - 1);
    return set;
}

struct action {
    void *handler;
    uint32_t mask;
    int flags; /* 1: on its stack, 2: restart, 0x40: with info */
};

static struct action actions[32];

struct information {
    int number, error, code, sender;
    unsigned uid;
    int status;
    void *address;
    uint64_t rest[9];
};

struct machine {
    struct fault_state fault;
    uint64_t word[WORDS];
};

struct context {
    int on_stack;
    uint32_t mask;
    uint64_t stack[3];
    void *link;
    size_t bytes;
    struct machine *machine;
};

static void deliver(int number, siginfo_t *from, void *linux_context)
{
    int sent = from->si_code <= 0;
    struct information info = {
        ours(number), 0, sent ? 0 : from->si_code, sent ? from->si_pid : 0, 0, 0, sent ? NULL : from->si_addr, {0}};
    struct machine machine = {fake_fault(linux_context, sent), {0}};
    struct context context = {0, 0, {0, 0, 0}, NULL, sizeof machine, &machine};
    fake_registers(linux_context, machine.word);
    ((void (*)(int, struct information *, struct context *))actions[info.number].handler)(info.number, &info, &context);
}

int fake_sigaction(int number, const struct action *action, struct action *old)
{
    struct sigaction fresh = {.sa_sigaction = deliver}, before;
    int found = theirs(number);
    if (!found)
        return errno = EINVAL, -1;
    if (action && (uintptr_t)action->handler <= 1)
        fresh.sa_handler = (void (*)(int))action->handler;
    if (action) {
        mask_of(action->mask, &fresh.sa_mask);
        fresh.sa_flags = SA_SIGINFO | (action->flags & 1 ? SA_ONSTACK : 0) | (action->flags & 2 ? SA_RESTART : 0);
    }
    struct action known = actions[number];
    if (action)
        actions[number] = *action;
    if (sigaction(found, action ? &fresh : NULL, &before))
        return -1;
    if ((uintptr_t)before.sa_sigaction <= 1)
        known.handler = (void *)before.sa_sigaction;
    if (old)
        *old = known;
    return 0;
}

void *fake_signal(int number, void *handler)
{
    struct action action = {handler, 0, 2}, old = {0};
    return fake_sigaction(number, &action, &old) ? (void *)-1 : old.handler;
}

void *fake_sigset(int number, void *handler) { return fake_signal(number, handler); }

struct stack {
    void *at;
    size_t bytes;
    int flags; /* 4: none */
};

int fake_sigaltstack(const struct stack *stack, struct stack *old)
{
    stack_t fresh = {0}, before;
    if (stack)
        fresh = (stack_t){stack->at, stack->flags & 4 ? SS_DISABLE : 0, stack->bytes};
    if (stack && !(stack->flags & 4) && stack->bytes < 32768)
        return errno = ENOMEM, -1; /* macOS's least */
    int result = sigaltstack(stack ? &fresh : NULL, &before);
    if (old)
        *old = (struct stack){before.ss_sp, before.ss_size, before.ss_flags & SS_DISABLE ? 4 : 0};
    return result;
}

int fake_pthread_sigmask(int how, const uint32_t *set, uint32_t *old)
{
    sigset_t mask, before;
    if (set)
        mask_of(*set, &mask);
    int error = pthread_sigmask(how - 1, set ? &mask : NULL, &before); /* SIG_BLOCK is 1 there, 0 here */
    if (old)
        *old = set_of(&before);
    return error;
}

int fake_sigpending(uint32_t *set)
{
    sigset_t waiting;
    int result = sigpending(&waiting);
    return *set = set_of(&waiting), result;
}

int fake_sigwait(const uint32_t *set, int *number)
{
    sigset_t mask;
    mask_of(*set, &mask);
    int error = sigwait(&mask, number);
    return *number = ours(*number), error;
}

int fake_raise(int number) { return raise(theirs(number)); }
int fake_kill(pid_t process, int number) { return kill(process, theirs(number)); }

/* sigsetjmp(place, 0) in the 152 bytes (arm64: 196) that macOS has for it: what a call must leave alone. */
#if defined(__x86_64__)
__asm__(".globl fake_sigsetjmp, fake_siglongjmp\n"
        "fake_sigsetjmp:\n"
        "  movq (%rsp), %rax\n  movq %rax, (%rdi)\n  leaq 8(%rsp), %rax\n  movq %rax, 8(%rdi)\n"
        "  movq %rbx, 16(%rdi)\n  movq %rbp, 24(%rdi)\n  movq %r12, 32(%rdi)\n  movq %r13, 40(%rdi)\n  movq %r14, "
        "48(%rdi)\n  movq %r15, 56(%rdi)\n"
        "  xorl %eax, %eax\n  ret\n"
        "fake_siglongjmp:\n"
        "  movl %esi, %eax\n  movq 16(%rdi), %rbx\n  movq 24(%rdi), %rbp\n  movq 32(%rdi), %r12\n  movq 40(%rdi), "
        "%r13\n  movq 48(%rdi), %r14\n"
        "  movq 56(%rdi), %r15\n  movq 8(%rdi), %rsp\n  jmpq *(%rdi)\n");
#else
__asm__(
    ".globl fake_sigsetjmp, fake_siglongjmp\n"
    "fake_sigsetjmp:\n"
    "  mov x9, sp\n  stp x19, x20, [x0]\n  stp x21, x22, [x0, #16]\n  stp x23, x24, [x0, #32]\n  stp x25, x26, [x0, "
    "#48]\n"
    "  stp x27, x28, [x0, #64]\n  stp x29, x30, [x0, #80]\n  str x9, [x0, #96]\n  mov w0, #0\n  ret\n"
    "fake_siglongjmp:\n"
    "  ldp x19, x20, [x0]\n  ldp x21, x22, [x0, #16]\n  ldp x23, x24, [x0, #32]\n  ldp x25, x26, [x0, #48]\n"
    "  ldp x27, x28, [x0, #64]\n  ldp x29, x30, [x0, #80]\n  ldr x9, [x0, #96]\n  mov sp, x9\n  mov w0, w1\n  ret\n");
#endif
