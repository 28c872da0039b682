/* clock.h - the coarse clock, which every event reads: the same as cr_os_now_ns, a few ns to read, a few ms coarse.
 *
 * Linux: the kernel's function in the vdso, called without the C library's way to it, which costs as much as the reading. */
#ifndef CR_PLATFORM_CLOCK_H
#define CR_PLATFORM_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#if defined(__APPLE__)

uint64_t cr_os_coarse_ns(void);

#else

/* clock_gettime; the first call finds the vdso's. Changes errno only where there is none. */
typedef int (*cr_os_clock_function)(clockid_t clock, struct timespec *time);
extern _Atomic(cr_os_clock_function) cr_os_clock;

static inline uint64_t cr_os_coarse_ns(void)
{
    struct timespec time;
    atomic_load_explicit(&cr_os_clock, memory_order_relaxed)(CLOCK_MONOTONIC_COARSE, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

#endif

#endif
