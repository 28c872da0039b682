/* heap_sections.h - names that the program gives to parts of its run (crunch_section of src/crunch.h), so that blocks can be told apart by them.
 *
 * In the call tree a section is a frame outside of all others, whose return address is made up: no code can lie there, its upper 16 bits
 * are CR_PC_SECTION and the lower ones the offset of its name in STRINGS. Locks: heap sections, then recording. */
#ifndef CR_STATE_HEAP_SECTIONS_H
#define CR_STATE_HEAP_SECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"

#define CR_HEAP_SECTIONS 1000u          /* most names; blocks of any further one belong to CR_HEAP_SECTION_OTHER */
#define CR_HEAP_SECTION_NAME_BYTES 200u /* longest name; longer ones are further ones too */
#define CR_HEAP_SECTION_OTHER (CR_HEAP_SECTIONS + 1)

extern struct cr_lock cr_heap_sections_lock;

struct cr_heap_section {
    uint32_t number;   /* 1, 2, ... up to CR_HEAP_SECTION_OTHER; 0: none */
    uintptr_t address; /* its frame's; 0: none */
};

/* The section of this name, entered if it is new; none for NULL and "", and if there is no memory. */
struct cr_heap_section cr_heap_section(const char *name);

/* Whether a frame's return address is a section's. */
bool cr_heap_section_is(uintptr_t address);

#endif
