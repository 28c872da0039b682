/* crash_signals.h - of crashes.c: ways to end by a signal that no access causes. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define BREAKPOINT "int3"
#else
#define BREAKPOINT "brk #0xf000"
#endif

static void trap(void)
{
    if (!twin)
        __builtin_trap();
}

static void breakpoint(void)
{
    if (!twin)
        __asm__ volatile(BREAKPOINT);
}

static void divide(void) { sink = (void *)(long)(1000 / (zero + twin)); }

static void divide_large(void)
{
    volatile int smallest = -__INT_MAX__ - 1, by = twin ? 1 : -1;
    sink = (void *)(long)(smallest / by);
}

static void raises(void)
{
    if (!twin)
        raise(SIGSEGV);
}

static void refused_call(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    if (!twin)
        syscall(SYS_getpgid, 0);
}
