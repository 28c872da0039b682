/* unwind_linux.c - the cache of rules, how a row of the table becomes a rule, and what can be read. See unwind_platform.h.
 *
 * Rows are read lazily, one address at a time: programs with 100 MB of code use some thousands of addresses. */
#include "platform/unwind_arch.h"
#include "platform/unwind_cfi.h"

#include <errno.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

_Atomic uint64_t cr_unwind_rules[CR_RULES] __attribute__((aligned(64)));
_Atomic uint32_t cr_unwind_rules_generation;

/* ---- the cache ---------------------------------------------------------------------------------------------------------- */

/* 0: not there. */
static uint32_t cached(uintptr_t address, uint32_t home)
{
    uint64_t tag = cr_rule_tag(address, home);
    for (uint32_t way = 0; way < 2; way++) {
        uint64_t word = atomic_load_explicit(&cr_unwind_rules[home ^ way], memory_order_relaxed);
        if (word >> CR_RULE_BITS == tag >> CR_RULE_BITS)
            return (uint32_t)word & 0x7fffffffu;
    }
    return 0;
}

/* The newcomer takes the first home, and whoever lived there the second, if it is also that one's. */
static void insert(uintptr_t address, uint32_t home, uint32_t rule)
{
    uint64_t old = atomic_load_explicit(&cr_unwind_rules[home], memory_order_relaxed);
    uint64_t word = cr_rule_tag(address, home) | rule;
    if (old)
        atomic_store_explicit(&cr_unwind_rules[home ^ 1u], old, memory_order_relaxed);
    /* Failure: another thread was here at the same time; what is not kept is found again when it is needed. */
    atomic_compare_exchange_strong_explicit(&cr_unwind_rules[home], &old, word, memory_order_relaxed,
                                            memory_order_relaxed);
}

void cr_unwind_flush(void)
{
    atomic_fetch_add(&cr_unwind_rules_generation, 1);
    for (uint32_t i = 0; i < CR_RULES; i++) {
        if (atomic_load_explicit(&cr_unwind_rules[i], memory_order_relaxed)) /* pages never written stay untouched */
            atomic_store_explicit(&cr_unwind_rules[i], 0, memory_order_relaxed);
    }
    atomic_fetch_add(&cr_unwind_rules_generation, 1);
}

/* ---- from the row to the rule -------------------------------------------------------------------------------------------- */

/* A slot as a rule has it: words down from the CFA or up from the base; false if it does not fit. */
static bool encode_slot(int64_t from_cfa, int64_t cfa_offset, bool from_base, unsigned shift, uint32_t *rule)
{
    int64_t bytes = from_base ? cfa_offset + from_cfa : -from_cfa;
    if (bytes < 0 || bytes & 7 || bytes >> 3 > (int64_t)CR_RULE_SLOT_MASK)
        return false;
    *rule |= (uint32_t)(bytes >> 3) << shift;
    return true;
}

static uint32_t encode_frame(const struct cr_cfi *cfi, int64_t cfa_offset)
{
    const struct cr_cfi_rule *ra = &cfi->rule[CR_ARCH_RA], *fp = &cfi->rule[CR_ARCH_FP];
    bool by_fp = cfi->cfa_register == CR_ARCH_FP;
    bool fp_saved = fp->how == CR_CFI_OFFSET;
    bool known_base = by_fp || cfi->cfa_register == CR_ARCH_SP;
    bool fits = known_base && cfa_offset > 0 && cfa_offset % 8 == 0 && cfa_offset >> 3 <= (int64_t)CR_RULE_CFA_MASK;
    if (!fits || ra->how != CR_CFI_OFFSET || (CR_ARCH_CALL_PUSHES && ra->number != -8) ||
        !(fp_saved || fp->how == CR_CFI_SAME || fp->how == CR_CFI_UNDEFINED))
        return CR_RULE_FULL;
    for (int from_base = 0; from_base <= CR_ARCH_SLOTS_FROM_BASE; from_base++) {
        uint32_t rule = CR_RULE_FRAME | (uint32_t)(cfa_offset >> 3) << CR_RULE_CFA_SHIFT;
        rule |= (by_fp ? CR_RULE_BASE_FP : 0) | (from_base ? CR_RULE_FROM_BASE : 0);
        if (encode_slot(ra->number, cfa_offset, from_base, CR_RULE_RA_SHIFT, &rule) &&
            encode_slot(fp_saved ? fp->number : ra->number, cfa_offset, from_base, CR_RULE_FP_SHIFT, &rule))
            return rule;
    }
    return CR_RULE_FULL;
}

#if defined(__x86_64__)
/* gcc's functions that realign the stack: CFA = *(rbp - n), rbp at rbp + 0: "breg6 -n; deref" and "breg6 0". */
static uint32_t encode_realign(const struct cr_cfi *cfi)
{
    const uint8_t *cfa = cfi->cfa_expression;
    const struct cr_cfi_rule *ra = &cfi->rule[CR_ARCH_RA], *fp = &cfi->rule[CR_ARCH_FP];
    if (cfa[0] != 3 || cfa[1] != 0x70 + CR_ARCH_FP || cfa[2] < 0x41 || cfa[2] > 0x7f || cfa[3] != 0x06)
        return CR_RULE_FULL;
    uint32_t down = 0x80u - cfa[2]; /* one byte of SLEB128: -1 to -63 */
    bool saved = fp->how == CR_CFI_EXPRESSION && fp->expression[0] == 2 && fp->expression[1] == 0x70 + CR_ARCH_FP &&
                 fp->expression[2] == 0;
    if (!saved || ra->how != CR_CFI_OFFSET || ra->number != -8 || down % 8)
        return CR_RULE_FULL;
    return CR_RULE_REALIGN | down >> 3 << CR_RULE_CFA_SHIFT;
}
#else
static uint32_t encode_realign(const struct cr_cfi *cfi)
{
    (void)cfi;
    return CR_RULE_FULL;
}
#endif

static uint32_t encode(const struct cr_cfi *cfi, uintptr_t address)
{
    int64_t plt_offset;
    if (cfi->signal)
        return CR_RULE_SIGNAL;
    if (cfi->rule[CR_ARCH_RA].how == CR_CFI_UNDEFINED)
        return CR_RULE_END;
    if (!cfi->cfa_expression)
        return encode_frame(cfi, cfi->cfa_offset);
    if (cr_arch_is_plt(cfi->cfa_expression, address, &plt_offset)) {
        struct cr_cfi plt = *cfi;
        plt.cfa_register = CR_ARCH_SP;
        return encode_frame(&plt, plt_offset);
    }
    return encode_realign(cfi);
}

/* Code of a module may still not be readable: there are gaps between its segments. */
static bool bytes_readable(uintptr_t address, uintptr_t bytes)
{
    uintptr_t last = address + bytes - 1;
    return cr_unwind_readable(address) && (((address ^ last) & ~CR_UNWIND_PAGE_MASK) == 0 || cr_unwind_readable(last));
}

/* The loader's first instructions, which the kernel starts a process at and which call all initialisers, have no table: nothing is
 * outside of them. */
#define LOADER_ENTRY_BYTES 256u
static bool is_loaders_entry(uintptr_t address)
{
    const ElfW(Ehdr) *loader = (const ElfW(Ehdr) *)getauxval(AT_BASE);
    return loader && address - ((uintptr_t)loader + loader->e_entry) < LOADER_ENTRY_BYTES;
}

static __attribute__((noinline)) uint32_t find_rule(uintptr_t address)
{
    struct cr_unwind_module module;
    struct cr_cfi cfi = {.end = 0};
    enum cr_cfi_result result = CR_CFI_NONE;
    if (cr_unwind_find_module(address, &module))
        result = cr_cfi_read(&module, address, &cfi);
    /* Not everyone has a table for the code that signal handlers return to. Nobody called it: one before it is another function, or none. */
    bool described = result == CR_CFI_FOUND && address + 1 != cfi.end;
    if (!described && bytes_readable(address + 1, CR_ARCH_SIGRETURN_BYTES) &&
        cr_arch_is_sigreturn((const uint8_t *)address + 1))
        return CR_RULE_SIGNAL;
    if (result == CR_CFI_FOUND)
        return encode(&cfi, address);
    if (result == CR_CFI_BAD)
        return CR_RULE_BAD;
    return is_loaders_entry(address) ? CR_RULE_END : CR_RULE_NONE;
}

uint32_t cr_unwind_rule(uintptr_t address)
{
    if (address >> 48)
        return CR_RULE_NONE; /* not of a program, and too long for the tag */
    uint32_t home = cr_rule_home(address);
    uint32_t rule = cached(address, home);
    if (rule)
        return rule;
    uint32_t generation = cr_unwind_generation();
    rule = find_rule(address);
    if (generation == cr_unwind_generation())
        insert(address, home, rule);
    return rule;
}

/* ---- what can be read ----------------------------------------------------------------------------------------------------- */

/* rt_sigprocmask with an operation that does not exist: the kernel reads the set first (EFAULT if it cannot) and only then refuses the
 * operation (EINVAL), so nothing ever changes. Unlike a pipe it needs no descriptor, unlike process_vm_readv no permission, and unlike
 * mincore it sees guard pages. */
bool cr_unwind_readable(uintptr_t address)
{
    if (address <= CR_UNWIND_PAGE_MASK)
        return false; /* a null set means something else */
    int saved_errno = errno;
    long result = syscall(SYS_rt_sigprocmask, ~0L, address & ~(uintptr_t)7, NULL, 8L);
    bool readable = !(result == -1 && errno == EFAULT);
    errno = saved_errno;
    return readable;
}

bool cr_unwind_follows_call(uintptr_t address)
{
    return address >> 48 == 0 && bytes_readable(address - CR_ARCH_CALL_BYTES, CR_ARCH_CALL_BYTES) &&
           cr_arch_ends_call((const uint8_t *)address);
}

bool cr_unwind_returns(uintptr_t address, struct cr_unwind_return *found)
{
    return address >> 48 == 0 && bytes_readable(address, CR_ARCH_RETURN_BYTES) &&
           cr_arch_returns((const uint8_t *)address, found);
}
