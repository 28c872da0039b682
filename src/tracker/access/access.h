/* access.h - libcrunch-check: stand-ins for the C library's mem*, str*, *printf and reading functions, which ask libcrunch whether the
 * memory they are given is the block's that it begins in (events/access.h), and then call the real one.
 *
 * A library of its own, preloaded with --check only, so that nothing else pays for it. It knows libcrunch by one function, looked up by
 * name at its start; before that, and without libcrunch, the stand-ins only pass the call on: they may be reached by other libraries'
 * constructors, and by libcrunch itself. They run in any context the real ones do, signal handlers too. */
#ifndef CR_ACCESS_ACCESS_H
#define CR_ACCESS_ACCESS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/unwind.h"
#include "events/access.h"
#include "platform/interpose.h" /* CR_HOOK, CR_CALL, CR_IF_LINUX */

#include "access/access_list.h"

#define CR_ACCESS_DECLARATION(system, type, name, parameters) CR_DECLARE_##system(type, name, parameters)
CR_ACCESS_LIST(CR_ACCESS_DECLARATION)

/* The real ones that both systems have, of which headers do not declare all, and some otherwise. */
#define CR_ACCESS_REAL_BOTH(type, name, parameters) type name parameters;
#define CR_ACCESS_REAL_LINUX(type, name, parameters)
#define CR_ACCESS_REAL(system, type, name, parameters) CR_ACCESS_REAL_##system(type, name, parameters)
CR_ACCESS_LIST(CR_ACCESS_REAL)

/* The real functions; on macOS they are called by name and the table is empty. */
#define CR_ACCESS_MEMBER(system, type, name, parameters) CR_REAL_FIELD_##system(type, name, parameters)
struct cr_real {
    CR_ACCESS_LIST(CR_ACCESS_MEMBER)
    bool found;
};
extern struct cr_real cr_real;
void cr_access_find(void);
#define REAL(name) (CR_LIKELY(cr_real.found) ? (void)0 : cr_access_find(), CR_CALL(name))

/* libcrunch's; NULL: not there (yet). */
extern cr_access_function *cr_access;

/* What lies this near above the stack pointer is the thread's stack, and no block. */
#define NEAR_BYTES ((uintptr_t)32 << 10)

/* Asks about what is written and what is read, NULL: nothing, for a function of this name whose caller is at start. */
static inline __attribute__((always_inline)) void cr_access_ask(const char *function, const void *to, const void *from,
                                                                size_t bytes, const struct cr_unwind_start *start)
{
    to = (uintptr_t)to - start->sp < NEAR_BYTES ? NULL : to;
    from = (uintptr_t)from - start->sp < NEAR_BYTES ? NULL : from;
    if ((to || from) && bytes && CR_LIKELY(cr_access != NULL))
        cr_access(function, to, from, bytes, start);
}

/* In a stand-in, first: where it was called from. Its caller, so not inlined anywhere. */
#define CALLER() const struct cr_unwind_start start = CR_UNWIND_START()
#define WRITES(function, at, bytes) cr_access_ask(function, at, NULL, bytes, &start)
#define COPIES(function, to, from, bytes) cr_access_ask(function, to, from, bytes, &start)
#define READS(function, at, bytes) cr_access_ask(function, NULL, at, bytes, &start)

#endif
