/* threads_darwin.c - suspends all other threads and says where they stand, on macOS. See platform.h.
 *
 * The kernel suspends a thread wherever it is, without a signal; one that sleeps in the kernel does not notice. */
#include <errno.h>
#include <mach/mach.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ucontext.h>

#include "platform/platform.h"
#include "base/banned.h"

#define THREADS_MOST 8192u
#define ROUNDS_MOST 100 /* of looking for new threads */
#define RED_ZONE 128

static struct {
    _Atomic uint32_t owner; /* 1: somebody stops the others */
    mach_port_t port[THREADS_MOST];
    uint32_t count, left_out;
    struct cr_os_stopped *told;
} stop;

/* ---- registers ---- */

/* Words as thread_get_state gives them, and as they stand in a signal's context. x86-64: rax, rbx, rcx, rdx, rdi, rsi, rbp, rsp, r8 to r15,
 * rip ...; arm64: x0 to x28, fp, lr, sp, pc ... */
#if defined(__x86_64__)

#define STATE_KIND 4 /* x86_THREAD_STATE64 */
#define STATE_WORDS 21

static void read_words(const uint64_t *word, struct cr_os_registers *registers)
{
    static const uint8_t number[8] = {0, 3, 2, 1, 5, 4, 6, 7};
    memset(registers, 0, sizeof *registers);
    for (unsigned i = 0; i < 16; i++)
        registers->word[i < 8 ? number[i] : i] = word[i];
    registers->pc = word[16];
    registers->sp = word[7];
    registers->fp = word[6];
    registers->whole = true;
}

#else

#define STATE_KIND 6 /* ARM_THREAD_STATE64 */
#define STATE_WORDS 34

static void read_words(const uint64_t *word, struct cr_os_registers *registers)
{
    memset(registers, 0, sizeof *registers);
    memcpy(registers->word, word, 32 * sizeof *word);
    registers->pc = word[32];
    registers->sp = word[31];
    registers->fp = word[29];
    registers->whole = true;
}

#endif

void cr_os_read_context(const void *context, struct cr_os_registers *registers)
{
    const ucontext_t *signal = context;
    read_words((const uint64_t *)(const void *)((const char *)signal->uc_mcontext + sizeof signal->uc_mcontext->__es),
               registers);
}

static bool read_thread(mach_port_t port, struct cr_os_registers *registers)
{
    uint64_t word[STATE_WORDS];
    mach_msg_type_number_t count = sizeof word / (sizeof(natural_t));
    if (thread_get_state(port, STATE_KIND, (thread_state_t)word, &count) != KERN_SUCCESS)
        return false;
    read_words(word, registers);
    return true;
}

/* ---- threads ---- */

static bool is_known(mach_port_t port)
{
    for (uint32_t i = 0; i < stop.count; i++)
        if (stop.port[i] == port)
            return true;
    return false;
}

/* Returns whether the thread is a new one that is suspended now; only then is the right to its port kept. */
static bool meet(mach_port_t port, mach_port_t self)
{
    if (port == self || is_known(port))
        return false;
    if (stop.count == THREADS_MOST) {
        stop.left_out++;
        return false;
    }
    if (thread_suspend(port) != KERN_SUCCESS)
        return false; /* it has ended */
    stop.port[stop.count++] = port;
    return true;
}

/* Suspends every thread there is. The number of new ones, or -errno. */
static long meet_all(mach_port_t self)
{
    thread_act_array_t list;
    mach_msg_type_number_t count;
    long found = 0;
    if (task_threads(mach_task_self(), &list, &count) != KERN_SUCCESS)
        return -EAGAIN;
    for (mach_msg_type_number_t i = 0; i < count; i++) {
        if (meet(list[i], self))
            found++;
        else
            mach_port_deallocate(mach_task_self(), list[i]);
    }
    vm_deallocate(mach_task_self(), (vm_address_t)list, count * sizeof *list);
    return found;
}

static void tell(mach_port_t port, struct cr_os_stopped *told)
{
    struct thread_identifier_info info = {0};
    mach_msg_type_number_t count = THREAD_IDENTIFIER_INFO_COUNT;
    memset(told, 0, sizeof *told);
    if (thread_info(port, THREAD_IDENTIFIER_INFO, (thread_info_t)&info, &count) == KERN_SUCCESS)
        told->id = info.thread_id;
    told->standing = CR_OS_STOPPED;
    if (!read_thread(port, &told->registers))
        told->standing = CR_OS_AT_LARGE;
}

static bool give_stack(struct cr_os_stopped *told, const struct cr_os_mapping *mapping)
{
    uintptr_t sp = told->registers.sp;
    if (told->standing != CR_OS_STOPPED || sp - mapping->start >= mapping->end - mapping->start)
        return false;
    told->stack_low = sp - mapping->start > RED_ZONE ? sp - RED_ZONE : mapping->start;
    told->stack_high = mapping->end;
    return true;
}

static bool give_stacks(void *context, const struct cr_os_mapping *mapping)
{
    (void)context;
    for (uint32_t i = 0; mapping->flags & CR_OS_READ && i < stop.count; i++)
        give_stack(&stop.told[i], mapping);
    return true;
}

int cr_os_threads_stop(bool gently, struct cr_os_stop *said)
{
    (void)gently; /* nobody notices */
    uint32_t nobody = 0;
    if (!atomic_compare_exchange_strong(&stop.owner, &nobody, 1))
        return -EBUSY;
    if (!stop.told && !(stop.told = cr_os_map(THREADS_MOST * sizeof *stop.told))) {
        atomic_store(&stop.owner, 0);
        return -ENOMEM;
    }
    mach_port_t self = mach_thread_self();
    stop.count = 0;
    long found = 1;
    for (int i = 0; found > 0 && i < ROUNDS_MOST; i++) { /* those not yet suspended may make new ones */
        stop.left_out = 0;
        found = meet_all(self);
    }
    mach_port_deallocate(mach_task_self(), self);
    if (found < 0) {
        cr_os_threads_go(false);
        return (int)found;
    }
    for (uint32_t i = 0; i < stop.count; i++)
        tell(stop.port[i], &stop.told[i]);
    cr_os_each_mapping(give_stacks, NULL);
    *said = (struct cr_os_stop){stop.told, stop.count, stop.left_out};
    return 0;
}

void cr_os_threads_go(bool ending)
{
    (void)ending;
    for (uint32_t i = 0; i < stop.count; i++) {
        thread_resume(stop.port[i]);
        mach_port_deallocate(mach_task_self(), stop.port[i]);
    }
    stop.count = 0;
    atomic_store(&stop.owner, 0);
}

void cr_os_threads_forked(void)
{
    stop.count = 0; /* the parent's ports */
    atomic_store(&stop.owner, 0);
}
