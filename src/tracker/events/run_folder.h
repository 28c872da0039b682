/* run_folder.h - where this process's run folder is, and what is written there at the end (docs/format.md).
 *
 * The folder's path is decided once per process image, and again in a forked child. Writing happens once, by one thread; it
 * uses no malloc, no stdio and no lock it would have to wait for, so a signal handler may do it. */
#ifndef CR_EVENTS_RUN_FOLDER_H
#define CR_EVENTS_RUN_FOLDER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/format.h"
#include "platform/platform.h"

/* Claims the folder CRUNCH_OUT if this is the first process there, else one under children/, and starts the recording in it.
 * 0; -ENOENT: this process shall not be recorded; another error: it cannot be. */
int cr_run_folder_start(void);
/* In a forked child. On failure the child goes on unrecorded: counters in private memory, nothing written. */
void cr_run_folder_fork(void);

/* Why the process ends. */
struct cr_end {
    enum cr_run_state state;
    int detail;              /* exit status or signal number */
    const siginfo_t *signal; /* CR_RUN_SIGNALLED: what the handler got, after cr_os_read_signal */
    const void *context;     /* and its context */
    const struct cr_os_registers
        *here; /* else: those of the function of the program's that ends it, or of one it has called */
};

/* Writes everything. A second call waits for the first, of another thread, to be done, and does nothing. Whether this call wrote. */
bool cr_run_folder_write(const struct cr_end *end);
/* This process's run folder while it may be written to; NULL: there is none, it is another's (vfork), or it is being completed. */
const char *cr_run_folder_path(void);
/* After an exec that failed: the process goes on, and what was written is written again at its real end. */
void cr_run_folder_reopen(void);

#endif
