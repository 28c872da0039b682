/* fault.h - why a program crashed: from what the system says of a fault, and what crunch knows of the heap, to one sentence.
 *
 * cr_fault_gather collects the facts, in the crash handler; cr_fault_judge and cr_fault_sentence are pure and decide; fault_file.c writes
 * all of it into `fatal`. The heap, the stack and crunch's own tables may be in ruins: whatever is read of them is read in guarded
 * calls, and no lock is taken. One thread at a time (run_folder.c sees to that). */
#ifndef CR_EVENTS_FAULT_H
#define CR_EVENTS_FAULT_H

#include <signal.h>

#include "base/fmt.h"
#include "platform/fault.h"

/* Blocks farther from an address than this have nothing to do with it, unless a register says so. */
#define CR_FAULT_NEAR_BYTES ((uint64_t)64 << 20)
#define CR_FAULT_NULL_BYTES ((uint64_t)64 << 10) /* no system maps anything below this */
#define CR_FAULT_ALIGNED_BYTES 64u               /* no instruction demands more */
#define CR_FAULT_FIELD_BYTES ((uint64_t)4 << 10) /* members lie within this of a pointer, as a rule */

/* A block that may have to do with the fault. */
struct cr_fault_block {
    bool known, freed;
    uint8_t kind; /* enum cr_kind */
    uint64_t address, size;
    uint32_t site;       /* item of SITES where it was allocated; 0: unknown */
    uint32_t freed_site; /* where it was freed: an item of SITES, */
    uint32_t freed_node; /* or of NODES, */
    uint64_t freed_by;   /* or only the return address of the call; 0: unknown */
    uint32_t thread;     /* number of the allocating thread */
};

enum cr_fault_kind {
    CR_FAULT_UNEXPLAINED,
    CR_FAULT_NULL_JUMP,
    CR_FAULT_WILD_JUMP,      /* nothing is mapped there */
    CR_FAULT_NOT_EXECUTABLE, /* a jump to where something else is */
    CR_FAULT_BAD_RETURN,     /* to what is no address */
    CR_FAULT_NULL,
    CR_FAULT_STACK_OVERFLOW,
    CR_FAULT_POISON, /* the address, or a register it was made of, is a filling of blocks */
    CR_FAULT_NO_ADDRESS,
    CR_FAULT_BEYOND_FILE,
    CR_FAULT_READ_ONLY,
    CR_FAULT_FORBIDDEN, /* mapped, but for no such access */
    CR_FAULT_GUARDED,   /* the mapping allows it: a guard page or a protection key does not */
    CR_FAULT_MISALIGNED,
    CR_FAULT_SYSTEM, /* an instruction that is not the program's to use */
    CR_FAULT_UNMAPPED,
    CR_FAULT_TRAP,
    CR_FAULT_ARITHMETIC,
    CR_FAULT_SYSTEM_CALL,
    CR_FAULT_ASSERTION,
    CR_FAULT_SMASHED_STACK,
    CR_FAULT_CORRUPT_HEAP, /* the allocator says so */
    CR_FAULT_EXCEPTION,    /* C++, not caught */
    CR_FAULT_ABORT,        /* with or without a message */
    CR_FAULT_SENT,
};

#define CR_FAULT_PATH_BYTES 1024

struct cr_fault {
    enum cr_fault_kind kind; /* by cr_fault_judge */
    int signal, code;        /* code: after cr_os_read_signal */
    bool sent, by_itself;    /* by a process, by this one */
    int64_t sender;

    bool has_address;
    uint64_t address;
    enum cr_access access;
    struct cr_os_registers registers;
    uint8_t code_bytes[CR_OS_CODE_BYTES]; /* at pc */
    size_t code_length;
    struct cr_os_operand operand;
    uint64_t target; /* where a return or an indirect call was going to, when the operand says that it was one */
    bool has_target;
    bool divisor_known;
    uint64_t divisor; /* of SIGFPE */

    struct { /* that the address lies in */
        bool known;
        uintptr_t start, end;
        uint64_t offset;
        unsigned flags;
        char path[CR_FAULT_PATH_BYTES];
        bool has_code; /* the file is also mapped as code */
        bool file_known;
        uint64_t file_bytes;
    } mapping;

    struct {
        bool known, is_main;
        uintptr_t low, high;
    } stack; /* of the thread; what is mapped of it */

    struct cr_fault_block below,
        above;                     /* the live blocks around the address: below.address <= address < above.address */
    struct cr_fault_block pointed; /* the one that a register of the operand points into */
    bool guarded;                  /* that one is on pages of its own, which --guard closes */
    unsigned perturb;              /* byte that glibc fills freed blocks with; 0: none */

    char message[512];   /* of the C library's abort; empty: none */
    char exception[256]; /* mangled name of its type; empty: none */
    int system_call;
    const struct cr_fault *handled; /* the fault in whose handler the program sent the signal to itself; NULL: none */
    bool incomplete;                /* something of this could not be read */
};

/* Collects the facts; kind is set. In the crash handler, by the thread that crashed. */
void cr_fault_gather(const siginfo_t *info, const void *context, struct cr_fault *fault);

/* ---- pure ---- */

enum cr_fault_kind cr_fault_judge(const struct cr_fault *fault);

/* The verdict in words, one sentence without a full stop; empty if there is nothing to say. */
void cr_fault_sentence(const struct cr_fault *fault, struct cr_text *text);

/* The block the address is to be explained by, or NULL. */
const struct cr_fault_block *cr_fault_block(const struct cr_fault *fault);

/* A filling of blocks that a value consists of, maybe with a small number added. */
struct cr_poison {
    const char *fills; /* what it fills: "freed blocks" */
    const char *by;    /* who writes it */
    bool freed;
};
const struct cr_poison *cr_poison_find(uint64_t value, unsigned perturb);
/* The poison the fault was made of, or NULL. *value: what consists of it; *name: the register that held that, or "". */
const struct cr_poison *cr_fault_poison(const struct cr_fault *fault, uint64_t *value, const char **name);

/* Whether a processor takes a number for an address. */
bool cr_fault_is_address(uint64_t address);
bool cr_fault_is_inside(const struct cr_fault_block *block, uint64_t address);
/* Bytes from the block's nearest end to the address: 0 inside and right behind it, UINT64_MAX if there is no block. */
uint64_t cr_fault_distance(const struct cr_fault_block *block, uint64_t address);

/* ---- fatal ---- */

struct cr_writer;
/* Writes the sentence as a line. */
void cr_fault_write_sentence(struct cr_writer *writer, const struct cr_fault *fault);
/* Writes what else is known as key value lines (docs/format.md): access, registers, blocks, stacks. others: the other threads,
 * stopped; NULL: they could not be. */
void cr_fault_write(struct cr_writer *writer, const struct cr_fault *fault, const void *context,
                    const struct cr_os_stop *others);
void cr_fault_write_stacks(struct cr_writer *writer, const struct cr_fault *fault, const struct cr_os_stop *others);
/* Writes the memory map to folder/maps. */
void cr_fault_write_maps(const char *folder);

#endif
