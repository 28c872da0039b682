/* unwind_linux.h - the cache of rules, for unwind_platform.h, and the parts of the Linux unwinder among themselves.
 *
 * The cache is one table of 64-bit words for the process: 33 bits say which address, 31 are the rule. A word is read and replaced whole,
 * so readers need no lock and can never see half of an entry. */
#ifndef CR_PLATFORM_UNWIND_LINUX_H
#define CR_PLATFORM_UNWIND_LINUX_H

#include <stdatomic.h>

#define CR_RULES 65536u /* 512 KB; a compile of a large C++ file meets 17,000 addresses */

extern _Atomic uint64_t cr_unwind_rules[CR_RULES];
extern _Atomic uint32_t cr_unwind_rules_generation;

/* An address has two homes, next to each other. Folding is reversible (the upper half is kept, and which of the two homes is the
 * first), so that the tag identifies the address, provided it has 48 bits at most. */
static inline uint32_t cr_rule_home(uintptr_t address) { return (uint32_t)(address ^ address >> 16) & (CR_RULES - 1u); }

static inline uint64_t cr_rule_tag(uintptr_t address, uint32_t home)
{
    return ((uint64_t)address >> 16 << 1 | (home & 1u)) << CR_RULE_BITS;
}

static inline uint32_t cr_unwind_rule_peek(uintptr_t address)
{
    uint32_t home = cr_rule_home(address);
    uint64_t expected = cr_rule_tag(address, home) | CR_RULE_FRAME;
    uint64_t mask = ~(uint64_t)0 << CR_RULE_BITS | CR_RULE_KIND_MASK;
    uint64_t word = atomic_load_explicit(&cr_unwind_rules[home], memory_order_relaxed);
    if (__builtin_expect(((word ^ expected) & mask) != 0, 0)) {
        word = atomic_load_explicit(&cr_unwind_rules[home ^ 1u], memory_order_relaxed);
        if ((word ^ expected) & mask)
            return 0;
    }
    return (uint32_t)word & 0x7fffffffu;
}

static inline uint32_t cr_unwind_generation(void)
{
    return atomic_load_explicit(&cr_unwind_rules_generation, memory_order_relaxed);
}

/* A loaded module. */
struct cr_unwind_module {
    uintptr_t low, high; /* of what lies together with the tables: the whole, or their segment where there are gaps */
    uintptr_t eh_frame_hdr;
    uintptr_t bias;   /* this and the name only where there is a list */
    const char *name; /* the loader's; empty: the program */
};

/* The same for all modules by the tracker's own list, kept where glibc has no _dl_find_object. False elsewhere. */
bool cr_unwind_find_listed(uintptr_t address, struct cr_unwind_module *module);

/* False: no module with tables has this address. */
bool cr_unwind_find_module(uintptr_t address, struct cr_unwind_module *module);

#endif
