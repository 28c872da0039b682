/* interpose_waits_linux.c - functions that wait and that the kernel never goes on with after a signal handler, whatever
 * SA_RESTART says (signal(7)): they return EINTR. Where it was crunch's own handler, which the program knows nothing of, the hook waits
 * again, for the time that is left. Nothing here enters crunch; errno is the real function's. */
#include "platform/interpose.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "entry/hooks.h"
#include "events/snapshot.h"
#include "platform/waits_linux.h"

#define NS_PER_S 1000000000u
#define NS_PER_MS 1000000u

/* A wait that may have to be gone on with. Errors of the real function: -1 and errno, or (clock_nanosleep) the number itself. */
struct wait {
    unsigned interrupted; /* cr_waits_interrupted before the call */
    int before;           /* errno */
    bool timed;
    uint64_t end_ns;
    struct timespec left;
};

static struct wait begin(void) { return (struct wait){.interrupted = cr_waits_interrupted, .before = errno}; }

static struct wait begin_ns(uint64_t ns)
{
    uint64_t now = ns ? cr_os_now_ns() : 0; /* of one that does not wait nobody asks */
    return (struct wait){cr_waits_interrupted, errno, true, now + ns < ns ? UINT64_MAX : now + ns, {0, 0}};
}

/* For a timeout in ms, negative: none. */
static struct wait begin_ms(int ms) { return ms < 0 ? begin() : begin_ns((uint64_t)ms * NS_PER_MS); }

/* For a timeout that may be NULL (none) or nonsense, which the real function refuses. */
static struct wait begin_timespec(const struct timespec *timeout)
{
    if (!timeout || timeout->tv_sec < 0 || timeout->tv_nsec < 0 ||
        (uint64_t)timeout->tv_sec > UINT64_MAX / NS_PER_S / 2)
        return begin();
    return begin_ns((uint64_t)timeout->tv_sec * NS_PER_S + (uint64_t)timeout->tv_nsec);
}

/* Whether crunch alone is the reason that the call was interrupted; then nothing has happened. */
static bool is_ours(struct wait *wait, bool interrupted)
{
    bool ours = interrupted && cr_waits_interrupted != wait->interrupted;
    wait->interrupted = cr_waits_interrupted;
    if (ours)
        errno = wait->before;
    return ours;
}

static bool again(struct wait *wait, long result) { return is_ours(wait, result == -1 && errno == EINTR); }

static uint64_t left_ns(const struct wait *wait)
{
    uint64_t now = cr_os_now_ns();
    return now < wait->end_ns ? wait->end_ns - now : 0;
}

static int left_ms(const struct wait *wait)
{
    return wait->timed ? (int)((left_ns(wait) + NS_PER_MS - 1) / NS_PER_MS) : -1;
}

static const struct timespec *left_timespec(struct wait *wait)
{
    uint64_t left = left_ns(wait);
    wait->left = (struct timespec){(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
    return wait->timed ? &wait->left : NULL;
}

/* The body of a hook: the first call as it was asked for, and, while only crunch interrupts, the second. */
#define WAIT_ON(wait_, type, first, next)                                                                              \
    struct wait wait = wait_;                                                                                          \
    type result = first;                                                                                               \
    while (CR_UNLIKELY(result == -1) && again(&wait, (long)result))                                                    \
        result = next;                                                                                                 \
    return result
#define WAIT(type, call) WAIT_ON(begin(), type, call, call)

/* ---- descriptors ---- */

CR_HOOK(int, poll, (struct pollfd * fds, nfds_t count, int timeout))
{
    WAIT_ON(begin_ms(timeout), int, CR_REAL(poll)(fds, count, timeout), CR_REAL(poll)(fds, count, left_ms(&wait)));
}

CR_HOOK(int, __poll_chk, (struct pollfd * fds, nfds_t count, int timeout, size_t bytes))
{
    WAIT_ON(begin_ms(timeout), int, CR_REAL(__poll_chk)(fds, count, timeout, bytes),
            CR_REAL(__poll_chk)(fds, count, left_ms(&wait), bytes));
}

CR_HOOK(int, ppoll, (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask))
{
    WAIT_ON(begin_timespec(timeout), int, CR_REAL(ppoll)(fds, count, timeout, mask),
            CR_REAL(ppoll)(fds, count, left_timespec(&wait), mask));
}

CR_HOOK(int, __ppoll_chk,
        (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t bytes))
{
    WAIT_ON(begin_timespec(timeout), int, CR_REAL(__ppoll_chk)(fds, count, timeout, mask, bytes),
            CR_REAL(__ppoll_chk)(fds, count, left_timespec(&wait), mask, bytes));
}

/* The kernel leaves the sets alone and takes what has passed off the timeout. */
CR_HOOK(int, select, (int count, fd_set *readable, fd_set *writable, fd_set *special, struct timeval *timeout))
{
    WAIT(int, CR_REAL(select)(count, readable, writable, special, timeout));
}

CR_HOOK(int, pselect,
        (int count, fd_set *readable, fd_set *writable, fd_set *special, const struct timespec *timeout,
         const sigset_t *mask))
{
    WAIT_ON(begin_timespec(timeout), int, CR_REAL(pselect)(count, readable, writable, special, timeout, mask),
            CR_REAL(pselect)(count, readable, writable, special, left_timespec(&wait), mask));
}

CR_HOOK(int, epoll_wait, (int fd, struct epoll_event *events, int most, int timeout))
{
    WAIT_ON(begin_ms(timeout), int, CR_REAL(epoll_wait)(fd, events, most, timeout),
            CR_REAL(epoll_wait)(fd, events, most, left_ms(&wait)));
}

CR_HOOK(int, epoll_pwait, (int fd, struct epoll_event *events, int most, int timeout, const sigset_t *mask))
{
    WAIT_ON(begin_ms(timeout), int, CR_REAL(epoll_pwait)(fd, events, most, timeout, mask),
            CR_REAL(epoll_pwait)(fd, events, most, left_ms(&wait), mask));
}

CR_HOOK(int, epoll_pwait2,
        (int fd, struct epoll_event *events, int most, const struct timespec *timeout, const sigset_t *mask))
{
    WAIT_ON(begin_timespec(timeout), int, CR_REAL(epoll_pwait2)(fd, events, most, timeout, mask),
            CR_REAL(epoll_pwait2)(fd, events, most, left_timespec(&wait), mask));
}

/* ---- time ---- */

CR_HOOK(int, nanosleep, (const struct timespec *time, struct timespec *left))
{
    struct wait wait = begin();
    struct timespec rest, next;
    int result = CR_REAL(nanosleep)(time, &rest);
    while (CR_UNLIKELY(result == -1) && again(&wait, result)) {
        next = rest;
        result = CR_REAL(nanosleep)(&next, &rest);
    }
    if (result == -1 && errno == EINTR && left)
        *left = rest;
    return result;
}

CR_HOOK(int, clock_nanosleep, (clockid_t clock, int flags, const struct timespec *time, struct timespec *left))
{
    struct wait wait = begin();
    struct timespec rest, next;
    bool absolute = flags & TIMER_ABSTIME;
    int error = CR_REAL(clock_nanosleep)(clock, flags, time, &rest);
    while (CR_UNLIKELY(error == EINTR) && is_ours(&wait, true)) {
        next = absolute ? *time : rest;
        error = CR_REAL(clock_nanosleep)(clock, flags, &next, &rest);
    }
    if (error == EINTR && left && !absolute)
        *left = rest;
    return error;
}

/* glibc's own come to a nanosleep that passes the hook by. */
CR_HOOK(unsigned, sleep, (unsigned seconds))
{
    int saved = errno;
    struct timespec time = {(time_t)seconds, 0}, left = {0, 0};
    if (nanosleep(&time, &left))
        return (unsigned)left.tv_sec;
    errno = saved;
    return 0;
}

CR_HOOK(int, usleep, (useconds_t us))
{
    struct timespec time = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    return nanosleep(&time, NULL);
}

CR_HOOK(int, thrd_sleep, (const struct timespec *time, struct timespec *left))
{
    int error = clock_nanosleep(CLOCK_REALTIME, 0, time, left);
    return error == EINTR ? -1 : error ? -2 : 0;
}

/* ---- signals ---- */

CR_HOOK(int, pause, (void)) { WAIT(int, CR_REAL(pause)()); }
CR_HOOK(int, sigsuspend, (const sigset_t *mask)) { WAIT(int, CR_REAL(sigsuspend)(mask)); }

/* A request that came this way, since the program waits for every signal: it is not the program's. */
static bool takes_request(int number)
{
    return number == CR_SNAPSHOT_REQUEST_SIGNAL && cr_snapshot_asked() && cr_snapshot_signalled(number, NULL);
}

CR_HOOK(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info))
{
    struct wait wait = begin();
    int number;
    do
        number = CR_REAL(sigwaitinfo)(set, info);
    while (takes_request(number) || again(&wait, number));
    return number;
}

CR_HOOK(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *timeout))
{
    struct wait wait = begin_timespec(timeout);
    int number = CR_REAL(sigtimedwait)(set, info, timeout);
    while (takes_request(number) || again(&wait, number))
        number = CR_REAL(sigtimedwait)(set, info, left_timespec(&wait));
    return number;
}

CR_HOOK(int, sigwait, (const sigset_t *set, int *number))
{
    int error;
    do
        error = CR_REAL(sigwait)(set, number);
    while (!error && takes_request(*number));
    return error;
}

/* ---- semaphores and messages ---- */

CR_HOOK(int, sem_wait, (sem_t * semaphore)) { WAIT(int, CR_REAL(sem_wait)(semaphore)); }
CR_HOOK(int, sem_timedwait, (sem_t * semaphore, const struct timespec *end))
{
    WAIT(int, CR_REAL(sem_timedwait)(semaphore, end));
}
CR_HOOK(int, sem_clockwait, (sem_t * semaphore, clockid_t clock, const struct timespec *end))
{
    WAIT(int, CR_REAL(sem_clockwait)(semaphore, clock, end));
}
CR_HOOK(int, semop, (int set, struct sembuf *operations, size_t count))
{
    WAIT(int, CR_REAL(semop)(set, operations, count));
}
CR_HOOK(int, semtimedop, (int set, struct sembuf *operations, size_t count, const struct timespec *timeout))
{
    WAIT_ON(begin_timespec(timeout), int, CR_REAL(semtimedop)(set, operations, count, timeout),
            CR_REAL(semtimedop)(set, operations, count, left_timespec(&wait)));
}
CR_HOOK(int, msgsnd, (int queue, const void *message, size_t size, int flags))
{
    WAIT(int, CR_REAL(msgsnd)(queue, message, size, flags));
}
CR_HOOK(ssize_t, msgrcv, (int queue, void *message, size_t size, long type, int flags))
{
    WAIT(ssize_t, CR_REAL(msgrcv)(queue, message, size, type, flags));
}
