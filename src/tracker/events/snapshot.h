/* snapshot.h - snapshots/N: the run folder of one moment, written by a frozen copy of the process while the process goes on.
 *
 * A snapshot is taken where the calling thread is not inside crunch: in a signal handler, at the leaving of a hook, or in
 * crunch_snapshot(). The process stops for the fork alone: copying the recording's counters and the page tables. The copy is
 * made past fork handlers and is no child that the program's wait functions know (Linux; docs/platforms.md for macOS).
 * At most one is written at a time. One that cannot be written whole is removed, and the recording's message says why. */
#ifndef CR_EVENTS_SNAPSHOT_H
#define CR_EVENTS_SNAPSHOT_H

#include <stdbool.h>

/* Default action: ignored. So a request that meets the process before its handler stands, or after an exec, does nothing. */
#define CR_SNAPSHOT_REQUEST_SIGNAL SIGURG

/* At start, and in a forked child. */
void cr_snapshot_start(void);

/* For a signal handler, or (context NULL) where a signal was waited for: whether this signal asks for a snapshot; then it has been taken, or will be when the thread leaves crunch. */
bool cr_snapshot_signalled(int number, const void *context);
/* Whether somebody outside waits for one. */
bool cr_snapshot_asked(void);
/* Whether the process can be asked by CR_SNAPSHOT_REQUEST_SIGNAL: not while the program handles it itself. */
void cr_snapshot_listens(bool listens);
/* The program asks, by name (may be NULL). Waits up to 10 s for the one that is being written. Whether it was taken. */
bool cr_snapshot_now(const char *name);

/* Whether it is the calling thread that makes the frozen copy: fork handlers shall do nothing then. */
bool cr_snapshot_is_forking(void);

#endif
