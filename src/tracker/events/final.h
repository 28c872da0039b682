/* final.h - the files of a run folder that are written at the process's end: fatal, heap/, blocks, stats, in this order.
 *
 * One call, from entry/ through run_folder.c, which sees to it that it happens once, with signals blocked. May run in a signal
 * handler, and while other threads go on: nothing they may be changing is written to. Failures go to the recording's message;
 * each file is whole or absent. */
#ifndef CR_EVENTS_FINAL_H
#define CR_EVENTS_FINAL_H

#include "events/run_folder.h"

#define CR_CONTENTS_MOST_FILES 10000

void cr_final_write(const char *folder, const struct cr_end *end);

/* heap/ and blocks. gathered: whether cr_leaks_gather has been called, so that blocks can be classified; returns whether they are, so that the
 * answers of leaks.h are there. */
bool cr_final_write_blocks(const char *folder, bool gathered);

/* Removes heap/ with what cr_final_write_blocks put there, and gives its share of the budget back. */
void cr_final_remove_heap(const char *folder);

/* Path of a file in a folder, in a static buffer that the next call overwrites; NULL if it is too long. */
const char *cr_final_path(const char *folder, const char *name);

#endif
