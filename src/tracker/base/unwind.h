/* unwind.h - the call stack of a hook's caller, captured on every allocation.
 *
 * A capture walks from the hook outwards until it meets a frame of the same thread's previous capture whose whole rest is
 * proven unchanged (every word the previous walk read still lies where it lay); only the frames before that are new. Frames are
 * numbered from the outermost (0 = _start or the thread's start function), so that what stays keeps its number.
 *
 * Calls no malloc, takes no lock, touches no memory it has not proven readable; may run in hooks, in signal handlers, inside
 * the loader. A cr_unwind_state belongs to one thread. */
#ifndef CR_BASE_UNWIND_H
#define CR_BASE_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

#define CR_UNWIND_DEPTH 512u /* most frames handed out */
#define CR_UNWIND_DEPTH_STEP                                                                                           \
    256u /* deeper stacks lose their outermost frames in steps of this, so that the rest keep their numbers */
#define CR_UNWIND_SLOTS (3u * CR_UNWIND_DEPTH + 1u)

/* For functions that look whether words of the stack are still what they were. By now they may be in the middle of a variable, or
 * of one that another thread writes: whatever is read then is a correct answer, but sanitizers take the read for a mistake. */
#define CR_UNWIND_LOOKS __attribute__((no_sanitize("address"), no_sanitize("thread")))

/* Why a walk ended. The counters in cr_unwind_state are of walks, not of captures: a stack that was recognised is not counted again. */
enum cr_unwind_end {
    CR_UNWIND_ROOT,     /* the outermost frame: its return address is marked undefined (DWARF 5, 6.4.4), or is null */
    CR_UNWIND_NO_RULE,  /* no table describes this pc, and the frame pointer does not lead on */
    CR_UNWIND_BAD_RULE, /* a table does, but with an instruction or an expression this unwinder does not have */
    CR_UNWIND_BAD_CFA,  /* the rule leads to an implausible address: towards the leaf, or misaligned */
    CR_UNWIND_BAD_READ, /* the rule leads to memory that cannot be read */
    CR_UNWIND_TOO_DEEP, /* longer than 65,536 frames, or going in a circle */
    CR_UNWIND_LOST, /* all registers were needed, and the walk from crunch's own frames did not arrive at the hook's caller */
    CR_UNWIND_BUSY, /* a signal handler interrupted a capture of the same thread; no frames */
    CR_UNWIND_ENDS
};

/* The hook's caller, as it will be right after the hook returned to it. */
struct cr_unwind_start {
    uintptr_t pc; /* the return address */
    uintptr_t sp; /* the stack pointer after the return, which is the hook's CFA */
    uintptr_t fp; /* rbp, x29 */
};

/* A frame on its way into the state: what one step of the walk learnt. */
struct cr_unwind_frame {
    uintptr_t pc, sp, fp;
    uintptr_t pc_slot;  /* where pc was read; 0 for the first frame */
    uintptr_t fp_slot;  /* where this frame keeps its caller's fp; 0: has not touched it */
    uintptr_t cfa_slot; /* where this frame keeps its own CFA (functions that realign the stack); else 0 */
    uint32_t flags;     /* CR_FRAME_* of unwind_step.h */
};

/* About 70 KB, of which only what the thread's depth needs is touched. The caller provides it zeroed and sets the bounds. */
struct cr_unwind_state {
    /* Bounds of the thread's own stack. 0, 0 while unknown: captures then are correct but slow. May be set at any time. */
    uintptr_t stack_low, stack_high;

    /* The last capture. pc[i] are return addresses; 1 is to be subtracted before asking for a line. */
    uint32_t frames;
    uintptr_t pc[CR_UNWIND_DEPTH];
    uint32_t node
        [CR_UNWIND_DEPTH]; /* the caller's: what it knows of frames 0 to i; kept for the frames that are not fresh */

    uint64_t
        walks[CR_UNWIND_ENDS]; /* walks that ended for each reason; those that met the previous stack count nowhere */

    /* Private. Frame i is the previous one's again if (pc, sp, fp unless unused) are and slots 0 to slot_count[i] hold their values. */
    uintptr_t sp[CR_UNWIND_DEPTH];
    uintptr_t fp[CR_UNWIND_DEPTH];
    uint32_t slot_count[CR_UNWIND_DEPTH];
    uint8_t needs_fp[CR_UNWIND_DEPTH]; /* some frame from here outwards depends on this frame's fp */
    uintptr_t *slot[CR_UNWIND_SLOTS];
    uintptr_t value[CR_UNWIND_SLOTS];
    uint32_t joinable;   /* frames 0 to joinable can be met again; those inside of a signal frame cannot */
    uint32_t dropped;    /* outermost frames left out, a multiple of CR_UNWIND_DEPTH_STEP */
    uint32_t generation; /* of the rules that the frames were found with */
    enum cr_unwind_end end;
    bool slots_inside; /* all slots lie within the thread's own stack */
    volatile bool busy;
    struct cr_unwind_frame fresh[CR_UNWIND_DEPTH + 2]; /* the frames of this capture that are new, leaf first */
};

struct cr_unwind_stack {
    uint32_t frames; /* pc[0 .. frames-1] are valid, the last is the hook's caller */
    uint32_t fresh;  /* this many of them, at the leaf's end, are new; the others have their old pc and node */
    bool truncated;  /* frames outside of pc[0] were left out for depth: hang pc[0] under a marker */
    enum cr_unwind_end
        end; /* what lies outside of pc[0] if not truncated; anything but ROOT means that frames are missing there */
};

/* Captures the stack at start into state. Never fails: at worst the stack is start->pc alone, and end says why. */
static inline struct cr_unwind_stack cr_unwind_capture(struct cr_unwind_state *state,
                                                       const struct cr_unwind_start *start);

/* The same with start's parts in registers: reading them from memory that was written just before costs 4 ns. */
struct cr_unwind_stack cr_unwind_capture_at(struct cr_unwind_state *state, uintptr_t pc, uintptr_t sp, uintptr_t fp);

/* The same for a stack that was interrupted: the calling thread's, with the registers that a signal's handler was given, or another's that
 * is stopped (platform.h). Nothing is trusted, sp may be wild. The state is one of its own, with the bounds of that stack or none.
 * pc[frames-1] is registers->pc + 1, so that, as for all frames, 1 is to be subtracted. */
struct cr_os_registers;
struct cr_unwind_stack cr_unwind_capture_registers(struct cr_unwind_state *state,
                                                   const struct cr_os_registers *registers);

/* Forgets everything known about code. To be called after a module was unloaded, before its addresses can be called again as
 * another's (right after dlclose is early enough); takes about 20 us. */
void cr_unwind_flush(void);

/* Without _dl_find_object (glibc before 2.35): if the loader has loaded or closed modules since, reads their list anew, flushes, and returns true.
 * A capture asks for that itself where a stack ends for want of a table. Takes the loader's lock on its list, which holds while a program's
 * callback of dl_iterate_phdr runs: to be called with none of crunch's locks held, and with no thread stopped. */
bool cr_unwind_modules_refresh(void);
/* The same for a capture whose stack ended so. Code that never has a table (made at run time) asks again and again, which is refused after a
 * few times in vain, most times, until the loader stirs. */
bool cr_unwind_modules_retry(void);
/* The loader has allocated memory: it may be about to load something. Cheap. */
void cr_unwind_modules_stir(void);
/* In a forked child: another thread may have been reading the list anew. */
void cr_unwind_modules_forked(void);

/* In words, for messages and the report. */
const char *cr_unwind_end_text(enum cr_unwind_end end);

/* The bits of pointer authentication removed from a return address (aarch64); other addresses are unchanged. */
#if defined(__aarch64__)
#define CR_UNWIND_STRIP(address) ((address)&0x0000ffffffffffffu)
#else
#define CR_UNWIND_STRIP(address) (address)
#endif

/* The stack pointer of the caller after the return. clang's __builtin_dwarf_cfa is the frame pointer on aarch64; there, where calls push nothing,
 * the stack pointer at the function's entry is the same. */
#if defined(__aarch64__) && defined(__clang__)
#define CR_UNWIND_CFA() ((uintptr_t)__builtin_sponentry())
#else
#define CR_UNWIND_CFA() ((uintptr_t)__builtin_dwarf_cfa())
#endif

/* The start state of the function this is written in, which must be the hook itself, not inlined (the three builtins speak of
 * the function that code ends up in). __builtin_frame_address gives it a frame pointer, whatever the options, and what it
 * points at is the caller's (psABI x86-64 3.4.1, AAPCS64 6.4.6). */
#define CR_UNWIND_START()                                                                                              \
    ((struct cr_unwind_start){.pc = CR_UNWIND_STRIP((uintptr_t)__builtin_return_address(0)),                           \
                              .sp = CR_UNWIND_CFA(),                                                                   \
                              .fp = *(const uintptr_t *)__builtin_frame_address(0)})

static inline struct cr_unwind_stack cr_unwind_capture(struct cr_unwind_state *state,
                                                       const struct cr_unwind_start *start)
{
    return cr_unwind_capture_at(state, start->pc, start->sp, start->fp);
}

#endif
