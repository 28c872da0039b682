/* options.h - what the launcher asked for, read once from the environment. */
#ifndef CR_SERVICES_OPTIONS_H
#define CR_SERVICES_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define CR_PATH_BYTES 4096

struct cr_options {
    char out[CR_PATH_BYTES]; /* CRUNCH_OUT: absolute path of the top run folder; empty: nothing is recorded */
    uint64_t heap_limit;     /* CRUNCH_HEAP_LIMIT: bytes of contents kept by all processes together; 0: none */
    bool children;           /* CRUNCH_CHILDREN is not 0 */
    bool snapshot_at_peak;   /* CRUNCH_SNAPSHOT_AT_PEAK is 1 */
    int snapshot_signal;     /* CRUNCH_SNAPSHOT_ON: the number of a signal; 0: none */
    bool abort_on_error;     /* CRUNCH_ABORT_ON_ERROR is 1 */
    bool check;              /* CRUNCH_CHECK is 1: red zones and quarantine */
    uint64_t quarantine;     /* CRUNCH_QUARANTINE: bytes */
    unsigned fill;           /* CRUNCH_FILL: the byte that new blocks are filled with; CR_FILL_NOTHING: none */
    uint64_t guard_every;    /* CRUNCH_GUARD: one block in so many is guarded; 0: none */
    bool guard_below;        /* CRUNCH_GUARD_BELOW is 1: against what lies before a block */
};

#define CR_FILL_NOTHING 256u

extern struct cr_options cr_options;

/* Reads the environment; false while it is not there yet (very early in a process). */
bool cr_options_read(void);

#endif
