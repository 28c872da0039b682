/* placed_errors.h - what is wrong with placed blocks (events/placement.h), as errors (events/errors.h). By threads that have entered. */
#ifndef CR_EVENTS_PLACED_ERRORS_H
#define CR_EVENTS_PLACED_ERRORS_H

#include "events/placement.h"
#include "events/quarantine.h"
#include "platform/fault.h"

/* What lies around a live block was written to. */
void cr_placed_tell_live(struct cr_thread *thread, const struct cr_placed_block *placed,
                         const struct cr_placed_call *call);
/* A freed block in quarantine was, or what lies around it. Does not look at the block, which may have left meanwhile. */
void cr_placed_tell_freed(struct cr_thread *thread, const struct cr_freed *freed, const struct cr_freed_damage *damage);

/* A fault's access, at an address of guarded blocks' space (events/guard.h): which block it missed. In the handler of a fault, also
 * while the thread is in crunch, or another thread keeps a lock: nothing is told then, and why it crashed is said all the same. access: what the processor says. */
struct cr_os_registers;
void cr_placed_tell_fault(uintptr_t address, enum cr_access access, const struct cr_os_registers *registers);

#endif
