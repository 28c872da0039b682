/* guarded_posix.c - calls that may fault (fault.h). */
#include <setjmp.h>
#include <time.h>

#include "platform/fault.h"
#include "platform/platform.h"
#include "base/banned.h"

static const int caught[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
#define CAUGHT (sizeof caught / sizeof *caught)

static sigjmp_buf way_out;
static volatile uint64_t guarded_thread; /* 0: none */

/* Another thread that faults meanwhile waits for the end of the process, which is near. */
static _Noreturn void stand_still(void)
{
    struct timespec pause = {1, 0};
    for (;;)
        nanosleep(&pause, NULL);
}

static void jump_out(int number)
{
    (void)number;
    if (guarded_thread != cr_os_thread_id())
        stand_still();
    siglongjmp(way_out, 1);
}

bool cr_os_guarded_call(void (*fn)(void *argument), void *argument)
{
    struct sigaction ours = {.sa_handler = jump_out, .sa_flags = SA_ONSTACK}, before[CAUGHT];
    sigset_t faults, mask;
    sigfillset(&ours.sa_mask);
    sigemptyset(&faults);
    guarded_thread = cr_os_thread_id();
    for (size_t i = 0; i < CAUGHT; i++) {
        sigaction(caught[i], &ours, &before[i]);
        sigaddset(&faults, caught[i]);
    }
    volatile bool whole = false;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (!sigsetjmp(way_out, 0)) {
        pthread_sigmask(SIG_UNBLOCK, &faults, NULL);
        fn(argument);
        whole = true;
    }
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    guarded_thread = 0;
    for (size_t i = 0; i < CAUGHT; i++)
        sigaction(caught[i], &before[i], NULL);
    return whole;
}
