/* modules.h - the programs and libraries that frames lie in, with when they came and went, so that stacks through a closed plug-in
 * still have names.
 *
 * A module is entered when the first frame in it is seen, without the loader's lock, and is gone when a look finds another or
 * none in its place. Locks: modules. */
#ifndef CR_STATE_MODULES_H
#define CR_STATE_MODULES_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/lock.h"

extern struct cr_lock cr_modules_lock;

/* Raised when a module has gone: what is remembered by address (not by item number) is to be forgotten. */
extern _Atomic uint32_t cr_modules_generation;

/* The item of PCS for a return address, entered with its module if it is new; CR_NO_ITEM if there is no memory. */
uint32_t cr_modules_pc(uintptr_t address);

/* Whether an item of PCS still means what its address means now. */
bool cr_modules_pc_stands(uint32_t pc);

/* Whether a block of this site (item of SITES) was made by a language runtime's own initialiser: its code, called by the loader. */
bool cr_modules_initialises(uint32_t site);

/* The loader has freed memory of its own: see whether a module has gone. Cheap enough for that. */
void cr_modules_recheck(void);

#endif
