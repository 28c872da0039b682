/* threads_linux.c - stops all other threads and says where they stand, on Linux. See platform.h.
 *
 * Each thread is sent a real-time signal, queued with its place in the table, so that the handler has nothing to look up. The handler
 * saves the registers and waits on a futex. Everything here is raw system calls: the calling thread may be in a signal handler, and a stopped
 * one may hold any lock there is.
 *
 * A signal must never reach a thread that did not ask for it: it is not sent to one that blocks it (it would stay pending and end the
 * process later) or that waits for signals (it would be handed to the program). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "platform/threads_linux.h"
#include "platform/waits_linux.h"
#include "base/banned.h"

#define THREADS_MOST 65536u
#define SILENCE_NS 1000000000u /* nobody answered for this long: those who have not will not */
#define SLICE_NS 5000000
#define FIRST_PAUSE_NS 100000
#define PATIENCE_NS 100000000 /* with all threads that block signals while they run */
#define ROUNDS_MOST 100       /* of looking for new threads */
#define RED_ZONE 128          /* below sp, x86-64 */

struct other {
    struct cr_os_stopped said;
    _Atomic uint32_t answered;
    bool sent, ended;
    uintptr_t alternate_low, alternate_high; /* where its signal handlers run, while one does */
};

static struct {
    _Atomic uint32_t owner;   /* the thread that stops the others, 0: nobody */
    _Atomic uint32_t round;   /* odd while threads are stopped; they wait for its change */
    _Atomic uint32_t answers; /* raised by each */
    _Atomic uint32_t inside;  /* threads in the handler */
    _Atomic bool ending;
    struct other *other;
    uint32_t *home; /* hash table of thread numbers: place in `other` plus one */
    uint32_t room, count, left_out;
    int number; /* of the signal */
    bool gently, installed;
    struct cr_kernel_action before;
    long patience_ns;
    struct cr_os_stopped *told;
} stop;

static long futex(_Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *timeout)
{
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

/* ---- in the stopped thread ---- */

CR_UNSEEN static void wait_here(struct other *self, uint32_t round, ucontext_t *context)
{
    cr_os_read_context(context, &self->said.registers);
    uintptr_t low = (uintptr_t)context->uc_stack.ss_sp, high = low + context->uc_stack.ss_size;
    if (self->said.registers.sp - low < high - low) {
        self->alternate_low = low;
        self->alternate_high = high;
    }
    bool sleeps = cr_registers_cut_short(&self->said.registers);
    self->said.standing = CR_OS_STOPPED;
    atomic_store(&self->answered, 1);
    atomic_fetch_add(&stop.answers, 1);
    futex(&stop.answers, FUTEX_WAKE, 1, NULL);
    for (uint32_t now = round; now == round || (sleeps && atomic_load(&stop.ending)); now = atomic_load(&stop.round))
        futex(&stop.round, FUTEX_WAIT, now, NULL);
    if (sleeps && !cr_waits_is_other_due(context) && !cr_context_repeat(context))
        cr_waits_interrupted++; /* the hook of the call makes it again */
}

CR_UNSEEN static void on_signal(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    atomic_fetch_add(&stop.inside, 1);
    uintptr_t said = (uintptr_t)info->si_value.sival_ptr;
    uint32_t place = (uint32_t)said, round = (uint32_t)(said >> 32);
    if (info->si_code == SI_QUEUE && info->si_pid == getpid()) {
        if (round == atomic_load(&stop.round) && round % 2 && place < stop.room) /* else late: the stop is over */
            wait_here(&stop.other[place], round, context);
    } else if ((uintptr_t)stop.before.handler > (uintptr_t)SIG_IGN) {
        stop.before.handler(number, info, context); /* the program's own, in whose place this one stands meanwhile */
    }
    atomic_fetch_sub(&stop.inside, 1);
    errno = saved;
}

/* ---- the signal ---- */

static int install(void)
{
    if (stop.installed)
        return 0; /* left in place by a stop that somebody did not answer */
    struct cr_kernel_action action = {on_signal, SA_SIGINFO | SA_RESTART | SA_ONSTACK | CR_KERNEL_RESTORER_FLAG,
                                      CR_KERNEL_RESTORER, ~0ull};
    stop.number = cr_kernel_choose_signal();
    if (cr_kernel_action(stop.number, NULL, &stop.before))
        return -errno;
    stop.installed = true; /* before it is: a child that is forked in between shall look */
    if (!cr_kernel_action(stop.number, &action, NULL))
        return 0;
    stop.installed = false;
    return -errno;
}

/* A thread that runs with signals blocked may do so for a moment: glibc's pthread_create, a handler, the end of an earlier stop. */
static struct cr_condition look_again(uint64_t id, struct cr_os_registers *registers)
{
    struct cr_condition found = cr_condition_look(id, stop.number, registers);
    struct timespec pause = {0, FIRST_PAUSE_NS};
    while (!found.ended && found.deaf && found.call.number < 0 && stop.patience_ns >= pause.tv_nsec) {
        stop.patience_ns -= pause.tv_nsec;
        syscall(SYS_nanosleep, &pause, NULL);
        pause.tv_nsec *= 2;
        found = cr_condition_look(id, stop.number, registers);
    }
    return found;
}

/* Decides about one thread, and signals it. False: it has ended. */
static bool approach(struct other *other, uint32_t place)
{
    uint64_t id = other->said.id;
    struct cr_condition found = look_again(id, &other->said.registers);
    if (found.ended)
        return false;
    other->said.standing = found.call.number >= 0 ? CR_OS_ASLEEP : CR_OS_AT_LARGE;
    if (found.deaf || cr_call_holds_signals(found.call.number) ||
        (stop.gently && (found.stuck || cr_call_never_restarts(&found.call))))
        return true;
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_signo = stop.number;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)((uintptr_t)atomic_load(&stop.round) << 32 | place);
    if (syscall(SYS_rt_tgsigqueueinfo, (long)getpid(), (long)id, (long)stop.number, &info))
        return errno != ESRCH;
    other->sent = true;
    return true;
}

/* ---- all threads ---- */

static uint32_t *home_of(uint64_t id)
{
    uint32_t at = (uint32_t)(id * UINT64_C(0x9e3779b97f4a7c15) % (2 * stop.room));
    while (stop.home[at] && stop.other[stop.home[at] - 1].said.id != id)
        at = (at + 1) % (2 * stop.room);
    return &stop.home[at];
}

/* Returns whether the thread was not known yet. */
static bool meet(uint64_t id)
{
    uint32_t *home = home_of(id);
    if (*home)
        return false;
    if (stop.count == stop.room) {
        stop.left_out++;
        return false;
    }
    struct other *other = &stop.other[stop.count];
    memset(other, 0, sizeof *other);
    other->said.id = id;
    if (!approach(other, stop.count))
        return false;
    *home = ++stop.count;
    return true;
}

/* Meets every thread listed. The number of new ones, or -errno. */
static long meet_all(uint64_t self)
{
    _Alignas(8) char list[4096];
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    long found = 0, n;
    while ((n = syscall(SYS_getdents64, (long)fd, list, sizeof list)) > 0)
        for (long at = 0; at < n;) {
            const struct dirent64 *entry = (const void *)(list + at);
            uint64_t id = cr_proc_decimal(entry->d_name); /* 0: . and .. */
            if (id && id != self && meet(id))
                found++;
            at += entry->d_reclen;
        }
    long error = n < 0 ? -errno : 0;
    close(fd);
    return error ? error : found;
}

static bool is_waited_for(const struct other *other) { return other->sent && !atomic_load(&other->answered); }

static uint32_t count_waited_for(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < stop.count; i++)
        count += is_waited_for(&stop.other[i]);
    return count;
}

/* Until all have answered, have ended, or nobody has for long. */
static void wait_for_answers(void)
{
    const struct timespec slice = {0, SLICE_NS};
    uint64_t last = cr_os_now_ns();
    uint32_t answers = atomic_load(&stop.answers);
    while (count_waited_for() && cr_os_now_ns() - last < SILENCE_NS) {
        futex(&stop.answers, FUTEX_WAIT, answers, &slice);
        uint32_t now = atomic_load(&stop.answers);
        if (now != answers)
            last = cr_os_now_ns();
        else
            for (uint32_t i = 0; i < stop.count; i++)
                if (is_waited_for(&stop.other[i]) &&
                    syscall(SYS_tgkill, (long)getpid(), (long)stop.other[i].said.id, 0L) && errno == ESRCH)
                    stop.other[i].sent = false, stop.other[i].ended = true;
        answers = now;
    }
}

/* ---- stacks ---- */

static struct other *by_sp; /* for the order below: the table that `order` has places of */

/* Shell sort: a few thousand threads at most in practice, and nothing to allocate. */
static void sort_by_sp(uint32_t *order, uint32_t count)
{
    for (uint32_t gap = count / 2; gap; gap /= 2)
        for (uint32_t i = gap; i < count; i++) {
            uint32_t moving = order[i], at = i;
            for (; at >= gap && by_sp[order[at - gap]].said.registers.sp > by_sp[moving].said.registers.sp; at -= gap)
                order[at] = order[at - gap];
            order[at] = moving;
        }
}

struct stacks {
    const uint32_t *order;
    uint32_t next, count;
};

/* Mappings come in order of addresses, threads in order of sp. */
static bool give_stacks(void *context, const struct cr_os_mapping *mapping)
{
    struct stacks *stacks = context;
    for (; stacks->next < stacks->count; stacks->next++) {
        struct other *other = &stop.other[stacks->order[stacks->next]];
        uintptr_t sp = other->said.registers.sp;
        if (sp >= mapping->end)
            return true;
        if (sp < mapping->start || !(mapping->flags & CR_OS_READ))
            continue;
        other->said.stack_low = sp - mapping->start > RED_ZONE ? sp - RED_ZONE : mapping->start;
        other->said.stack_high = other->alternate_high ? other->alternate_high : mapping->end;
    }
    return false;
}

static void find_stacks(void)
{
    uint32_t *order = stop.home; /* of no more use */
    uint32_t count = 0;
    for (uint32_t i = 0; i < stop.count; i++)
        if (stop.other[i].said.standing != CR_OS_AT_LARGE)
            order[count++] = i;
    by_sp = stop.other;
    sort_by_sp(order, count);
    struct stacks stacks = {order, 0, count};
    cr_os_each_mapping(give_stacks, &stacks);
}

/* ---- the whole ---- */

static bool make_room(void)
{
    if (stop.other)
        return true;
    size_t each = sizeof *stop.other + sizeof *stop.told + 2 * sizeof *stop.home;
    size_t bytes = cr_os_modest(THREADS_MOST * each);
    char *memory = cr_os_map(bytes);
    if (!memory)
        return false;
    stop.room = (uint32_t)(bytes / each) / 2 * 2;
    stop.other = (void *)memory;
    stop.told = (void *)(stop.other + stop.room);
    stop.home = (void *)(stop.told + stop.room);
    return true;
}

/* Threads that were let go just now may not have had a processor since; in the handler they block all signals. */
static void wait_for_leavers(void)
{
    struct timespec pause = {0, FIRST_PAUSE_NS};
    for (uint64_t start = cr_os_now_ns(); atomic_load(&stop.inside) && cr_os_now_ns() - start < SILENCE_NS;)
        syscall(SYS_nanosleep, &pause, NULL);
}

int cr_os_threads_stop(bool gently, struct cr_os_stop *said)
{
    uint32_t nobody = 0;
    uint64_t self = cr_os_thread_id();
    if (!atomic_compare_exchange_strong(&stop.owner, &nobody, (uint32_t)self))
        return -EBUSY;
    int error = make_room() ? install() : -ENOMEM;
    if (error) {
        atomic_store(&stop.owner, 0);
        return error;
    }
    stop.gently = gently;
    stop.patience_ns = PATIENCE_NS;
    wait_for_leavers();
    stop.count = stop.left_out = 0;
    atomic_store(&stop.ending, false);
    memset(stop.home, 0, 2 * stop.room * sizeof *stop.home);
    atomic_fetch_add(&stop.round, 1);
    long found = 1;
    for (int i = 0; found > 0 && i < ROUNDS_MOST; i++) { /* those not yet stopped may make new ones */
        stop.left_out = 0;
        found = meet_all(self);
        wait_for_answers();
    }
    if (found < 0) {
        cr_os_threads_go(false);
        return (int)found;
    }
    find_stacks();
    size_t count = 0;
    for (uint32_t i = 0; i < stop.count; i++)
        if (!stop.other[i].ended)
            stop.told[count++] = stop.other[i].said;
    *said = (struct cr_os_stop){stop.told, count, stop.left_out};
    return 0;
}

/* Gives the signal back, unless the program has set an action of its own meanwhile. */
static void uninstall(void)
{
    struct cr_kernel_action present;
    if (!stop.installed || cr_kernel_action(stop.number, NULL, &present))
        return;
    if (present.handler == on_signal)
        cr_kernel_action(stop.number, &stop.before, NULL);
    stop.installed = false;
}

void cr_os_threads_go(bool ending)
{
    atomic_store(&stop.ending, ending);
    bool all = count_waited_for() == 0;
    atomic_fetch_add(&stop.round, 1);
    futex(&stop.round, FUTEX_WAKE, INT32_MAX, NULL);
    if (all) /* else a late one still needs the handler */
        uninstall();
    atomic_store(&stop.owner, 0);
}

void cr_os_threads_forked(void)
{
    uint32_t round = atomic_load(&stop.round);
    stop.installed = stop.number != 0; /* fork copies the actions before the memory, which may say that it is over */
    uninstall();
    atomic_store(&stop.inside, 0);
    atomic_store(&stop.round, round + round % 2);
    atomic_store(&stop.owner, 0);
}
