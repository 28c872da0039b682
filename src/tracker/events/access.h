/* access.h - whether a range of memory that a function of the C library is given leaves the block it begins in (--check). Asked by
 * libcrunch-check (access/access.h), which finds crunch_access by name. */
#ifndef CR_EVENTS_ACCESS_H
#define CR_EVENTS_ACCESS_H

#include <stddef.h>

#include "base/unwind.h"

/* Reports what is written or read, so many bytes each, NULL: nothing, if it begins in a block or its red zones and leaves the block, or in a
 * freed one. Keeps errno. From anywhere: does nothing for a thread that is in crunch, or unknown. function: a name; start: its caller, by
 * now without the function itself. */
typedef void cr_access_function(const char *function, const void *to, const void *from, size_t bytes,
                                const struct cr_unwind_start *start);
__attribute__((visibility("default"))) cr_access_function crunch_access;

#endif
