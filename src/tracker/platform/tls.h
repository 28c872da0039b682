/* tls.h - one pointer per thread, the fastest the system offers.
 *
 * Linux: a __thread variable in the initial-exec model, which is plain memory behind the thread register. macOS: the first access
 * to a __thread variable allocates, so the value lives in a pthread key, whose functions are a load and a store behind a call
 * and allocate nothing.
 * Values: see state/thread.h. cr_tls_set may be called in hooks; only cr_tls_start creates the key. */
#ifndef CR_PLATFORM_TLS_H
#define CR_PLATFORM_TLS_H

#include <pthread.h>
#include <stdbool.h>

extern pthread_key_t cr_tls_key;

#if defined(__APPLE__)

extern bool cr_tls_started;

static inline void *cr_tls_get(void) { return cr_tls_started ? pthread_getspecific(cr_tls_key) : NULL; }
static inline void cr_tls_set(void *value)
{
    if (cr_tls_started)
        pthread_setspecific(cr_tls_key, value);
}

#else

extern __thread void *cr_tls_value __attribute__((tls_model("initial-exec")));

static inline void *cr_tls_get(void) { return cr_tls_value; }
static inline void cr_tls_set(void *value) { cr_tls_value = value; }

#endif

/* Creates the key; `at_thread_end` gets the value that cr_tls_at_end was given in that thread. 0 or -errno. */
int cr_tls_start(void (*at_thread_end)(void *value));
/* Asks for at_thread_end(value) when the calling thread ends. May allocate. */
void cr_tls_at_end(void *value);

#endif
