/* counter.h - numbers that one thread at a time changes and anybody reads, in the recording and elsewhere.
 *
 * A reader sees each before or after a change, and nothing of their order: relaxed atomics. With one writer an addition needs not
 * be atomic as a whole; on x86 it is one instruction all the same. */
#ifndef CR_BASE_COUNTER_H
#define CR_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

#define CR_LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define CR_STORE(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

/* Adds to a field of 4 or 8 bytes that only the calling thread writes. Volatile: what a reader relies on being written before
 * stays before. */
#if defined(__x86_64__)
#define CR_ADD(field, amount)                                                                                          \
    do {                                                                                                               \
        if (sizeof(field) == 8)                                                                                        \
            __asm__ volatile("addq %1, %0" : "+m"(field) : "er"((uint64_t)(amount)) : "cc");                           \
        else                                                                                                           \
            __asm__ volatile("addl %1, %0" : "+m"(field) : "er"((uint32_t)(amount)) : "cc");                           \
    } while (0)
#else
#define CR_ADD(field, amount) CR_STORE(field, CR_LOAD(field) + (amount))
#endif

#endif
