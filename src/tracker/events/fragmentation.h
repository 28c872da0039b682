/* fragmentation.h - what the heap takes beyond what was asked for: the file `fragmentation` of a run folder (docs/format.md). */
#ifndef CR_EVENTS_FRAGMENTATION_H
#define CR_EVENTS_FRAGMENTATION_H

/* Asks the program's allocator for its totals, while other threads can still give its locks back: at an end that is no signal's, by a thread that
 * is not in a hook. Without that nothing is written. */
void cr_fragmentation_ask(void);
/* Writes the file, from all live blocks. What it reads may be gone: within cr_os_guarded_call. */
void cr_fragmentation_write(const char *folder);

#endif
