/* platform.h - the seam to the operating system. Everything that differs between Linux and macOS is behind it, in
 * platform_posix.c (what they share), platform_linux.c and platform_darwin.c.
 *
 * Unless said otherwise a function allocates nothing from the heap, takes no lock of the loader's, leaves errno as it
 * pleases (callers in hooks save it) and may be called from a signal handler. Errors are -errno. */
#ifndef CR_PLATFORM_PLATFORM_H
#define CR_PLATFORM_PLATFORM_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platform/clock.h"

/* ---- memory ---- */

/* What offsets in mapped files must be multiples of: 4 KiB, on Apple silicon 16 KiB. */
size_t cr_os_page_bytes(void);
/* Where so much memory of the tracker's own should lie, if there is room: far from the program's. NULL: the system's choice will do. */
void *cr_os_own_place(size_t bytes);
/* Zeroed private memory that costs nothing until touched, between closed pages; NULL if there is none. Keeps errno. */
void *cr_os_map(size_t bytes);
/* `bytes`, halved until it is a small share of the address space the process may have (RLIMIT_AS): how much to map at once. */
size_t cr_os_modest(size_t bytes);
/* Address space without memory behind it, for cr_os_map_file to fill; NULL if there is none. Keeps errno. */
void *cr_os_reserve(size_t bytes);
void cr_os_unmap(void *memory, size_t bytes);
/* Calls visit for every mapping made by the functions of this part: the tracker's own memory (the first 4,096 of them). */
void cr_os_each_own(void (*visit)(void *context, uintptr_t start, uintptr_t end), void *context);
/* Whether an address is in one of them, or in the closed page before or behind it. */
bool cr_os_is_own(uintptr_t address);
/* Memory of which nearly every page will be used: let the system give it in large pieces, if it can. */
void cr_os_expect_use(void *memory, size_t bytes);
/* Memory of cr_os_map's that somebody may still read, without caring for what: gives its whole pages back. They read as they were, or as
 * zeroes. */
void cr_os_done_with(void *memory, size_t bytes);
/* Maps bytes of fd from offset, shared, and at `at` (replacing what is there) unless that is NULL. fd -1: fresh zeroed private
 * memory instead. NULL if it can't be had. */
void *cr_os_map_file(int fd, uint64_t offset, size_t bytes, void *at);
/* Makes the file hold offset + bytes, the space really allocated on disk. May raise SIGXFSZ: the caller holds signals. */
int cr_os_allocate(int fd, uint64_t offset, uint64_t bytes);

/* ---- guarded memory: pages of reserved address space that are opened and closed one by one ---- */

/* Whether closed pages can lie among open ones without costing a mapping each (Linux 6.13). As found by cr_os_guard_prepare; false
 * before. */
extern bool cr_os_guard_is_cheap;
/* How many stretches of open pages a process may have where that costs mappings, its own left aside. */
size_t cr_os_guard_most(void);
/* Prepares the next piece of reserved address space; pieces follow each other. All pages are closed after it. 0 or -errno. */
int cr_os_guard_prepare(void *pages, size_t bytes);
/* Makes pages readable, writable and zeroed; makes them unreachable and gives their memory back. 0 or -errno; keep errno. Pages whose
 * closing failed are unreachable, but must not be opened again. */
int cr_os_guard_open(void *pages, size_t bytes);
int cr_os_guard_close(void *pages, size_t bytes);
/* Puts reserved address space in the place of pages. 0 or -errno. */
int cr_os_map_closed(void *pages, size_t bytes);

/* ---- signals ---- */

struct cr_os_held {
    sigset_t before;
    bool over_limit; /* a SIGXFSZ of the program's own is waiting */
    int cancel;      /* whether the thread could be cancelled */
};
/* Keeps all signals and pthread_cancel from the calling thread, so that files can be opened and written: what is over the file size
 * limit is an error then. Keeps errno, as cr_os_release_signals does. */
void cr_os_hold_signals(struct cr_os_held *held);
/* Lets them through again, but for the SIGXFSZ that crunch's own writing raised. */
void cr_os_release_signals(const struct cr_os_held *held);

/* Values of si_code after cr_os_read_signal, where the systems have none in common. */
#ifdef SI_KERNEL
#define CR_OS_NO_ADDRESS SI_KERNEL /* SIGSEGV: what was accessed is no address at all, and nobody knows it */
#else
#define CR_OS_NO_ADDRESS 0x80
#endif
#define CR_OS_BUS_ACCESS 0x81 /* SIGBUS for what is SIGSEGV with SEGV_ACCERR elsewhere */

/* Makes what a handler was given say what it promises: si_code the cause, SI_USER only if a process sent the signal. */
void cr_os_read_signal(siginfo_t *info, const void *context);
/* Makes the signal that a handler was given come again when the handler returns, with all its details where the system allows that.
 * The instruction alone is not enough: what has been mapped since may let it pass. */
void cr_os_signal_again(const siginfo_t *info);

/* ---- time ---- */

uint64_t cr_os_now_ns(void);  /* monotonic */
uint64_t cr_os_wall_ns(void); /* since 1970 */

/* ---- process and threads ---- */

uint64_t cr_os_max_rss(void); /* bytes */
/* Resident bytes now (macOS: physical footprint); 0: unknown, or the process has forbidden itself to open files. */
uint64_t cr_os_resident_bytes(void);
/* The name of a thread of this process, by the system's number; empty if it cannot be told. */
void cr_os_thread_name(uint64_t thread, char *name, size_t bytes);
uint64_t cr_os_thread_id(void); /* the system's number of the calling thread */
bool cr_os_is_main_thread(void);
/* Whether start-up may be in the process's first hook. On macOS that is too early: the first ones are libSystem's, while it still
 * sets itself up, and nothing else runs before the tracker's constructor. */
extern const bool cr_os_starts_in_hook;
/* The environment, not through getenv, which is the program's to interpose; NULL while it is not there yet. */
char **cr_os_environment(void);
/* How far apart two blocks of the system's allocator are at least. */
extern const size_t cr_os_least_apart;
/* Whether realloc to no size frees the block and returns NULL. */
extern const bool cr_os_realloc_to_0_frees;
/* Ends the process at once, without any handler. */
_Noreturn void cr_os_exit_now(int status);
/* Calls fn(status) at exit, after all handlers and destructors of the program and its libraries if called early enough; status
 * is -1 where the system does not tell it. Not from a signal handler. 0 or -errno. */
int cr_os_at_exit(void (*fn)(int status));
/* The status at an exit whose handlers are not told it (quick_exit, on macOS exit), set by the hook; -1: unknown. */
extern int cr_os_exit_status;

/* ---- a frozen copy of the process ---- */

/* Forks without the program noticing: no fork handlers, no signal at its end, unknown to wait functions that are not asked for such
 * children (macOS: SIGCHLD and wait functions know of it, docs/platforms.md). All signals are blocked by the caller. Other threads may be
 * stopped. In the child only the calling thread is left. The child's number, 0 in the child, or -errno. */
int cr_os_fork_frozen(void);
/* Whether such a child has ended (or is not known any more); never waits. */
bool cr_os_frozen_ended(int child);
/* In the child: gives up all descriptors but one, and is the first to go when memory runs out. */
void cr_os_turn_frozen(int kept);
/* In a signal handler of crunch's own: the thread's wait that it interrupted, if it did, is to be gone on with. */
void cr_os_note_interruption(const void *context);

/* Facts for the recording, each through emit(context, key, value): exe, cwd, arg ..., machine, libc. Not from a signal handler. */
void cr_os_describe_process(void (*emit)(void *context, const char *key, const char *value), void *context);

/* Bounds of the calling thread's own stack, as far as all of it from the caller's frame up can be read; may allocate. false: unknown. */
bool cr_os_stack_bounds(uintptr_t *low, uintptr_t *high);

/* ---- modules ---- */

/* The program or library that an address belongs to. */
struct cr_os_module {
    uintptr_t start, end, bias; /* see struct cr_module of base/format.h */
    const void *identity;       /* another module at the same place has another value, if a look came between the two */
    const char *path;           /* the loader's, valid while the module is loaded */
    const uint8_t *build_id;    /* in the module's memory */
    uint32_t build_id_bytes;
};
/* Begins to know modules, where the system has to be asked to tell of them. In the tracker's constructor. */
void cr_os_watch_modules(void);
/* Fills in start, end and identity, and reads nothing of the module's, which another thread may be closing. Takes no lock of the
 * loader's where the system can do without (glibc 2.35, macOS). false: no module there. */
bool cr_os_find_module(uintptr_t address, struct cr_os_module *module);
/* The rest, of a module that stays: the caller's stack has frames in it. */
void cr_os_describe_module(struct cr_os_module *module);

/* ---- what lies at an address, for a free of one that crunch does not know: no to each where nobody can tell ---- */

/* Whether the system's allocator says that a block begins there. */
bool cr_os_is_block(const void *address);
/* Whether it is code or data of a loaded module. */
bool cr_os_is_static(uintptr_t address);
/* Whether it is sure that nothing is mapped there. */
bool cr_os_is_unmapped(uintptr_t address);
/* Whether the module of a return address is sure to have no operator new or delete of its own, so that its calls of malloc and free are
 * calls of malloc and free. May open the module's file, once. */
bool cr_os_shares_operators(uintptr_t return_address);

/* ---- the runtimes' own blocks ---- */

/* The address range of the dynamic loader, whose blocks are its own. */
struct cr_os_range {
    uintptr_t base, bytes;
};
struct cr_os_range cr_os_find_loader(void);
/* Whether an address in that range really is the loader's. */
bool cr_os_in_loader(const void *address);
/* Whether a return address lies in the loader or in a C or C++ runtime library; may take the loader's lock, so only for the time
 * before the tracker's constructor has run. */
bool cr_os_is_runtime(const void *return_address);
/* Which of these a module is, by its path. */
enum cr_os_role { CR_OS_OTHER, CR_OS_RUNTIME, CR_OS_LOADER };
enum cr_os_role cr_os_role(const char *path);
/* Addresses of blocks that the C library holds for the standard streams: writes at most `most`, returns how many. */
size_t cr_os_stream_buffers(const void **addresses, size_t most);

/* ---- memory as it is mapped ---- */

enum cr_os_mapping_flags {
    CR_OS_READ = 1u << 0,
    CR_OS_WRITE = 1u << 1,
    CR_OS_EXECUTE = 1u << 2,
    CR_OS_SHARED = 1u << 3,
    CR_OS_FILE = 1u << 4,   /* has a file, which `name` names */
    CR_OS_DEVICE = 1u << 5, /* of a device: reading may have effects */
    CR_OS_HEAP = 1u << 6,   /* the C library's malloc has it, for its records (macOS) or all (Linux) */
    CR_OS_STACK = 1u << 7,  /* the main thread's, on macOS any thread's */
};
struct cr_os_mapping {
    uintptr_t start, end;
    uint64_t offset;  /* in the file */
    unsigned flags;   /* enum cr_os_mapping_flags */
    const char *name; /* "" for none; valid during the visit */
};
/* Calls visit for every mapping, from the lowest address up, until it returns false. Needs 12 KiB of stack. 0 or -errno. */
int cr_os_each_mapping(bool (*visit)(void *context, const struct cr_os_mapping *mapping), void *context);

/* Copies memory that may not be there; returns how many bytes, from the first on, could be read. */
size_t cr_os_read_memory(uintptr_t from, void *to, size_t bytes);

/* The next stretch of pages with contents, in memory or paged out, in [from, to): *from and *end become its bounds. False: there is none.
 * Where the system does not tell, all of it. To be asked about readable private memory only; takes a microsecond a page. */
bool cr_os_next_resident(uintptr_t *from, uintptr_t to, uintptr_t *end);

/* Memory that the C library's malloc uses for itself, within a readable writable private mapping: its heaps, and what it keeps of them among its
 * data, where old addresses stay. Calls visit for each piece. */
void cr_os_each_malloc_part(const struct cr_os_mapping *mapping,
                            void (*visit)(void *context, uintptr_t start, uintptr_t end), void *context);

/* ---- registers, and other threads ---- */

#define CR_OS_REGISTER_WORDS 33

/* The registers of a thread at an instruction that it has not executed yet. */
struct cr_os_registers {
    uintptr_t pc, sp, fp;
    uintptr_t word
        [CR_OS_REGISTER_WORDS]; /* the general ones by their DWARF numbers (x86-64: 0 to 15; aarch64: x0 to x30, sp), else 0 */
    bool whole;                 /* false: only pc and sp are known */
};
/* Those that a signal interrupted. context: the third argument of its handler. */
void cr_os_read_context(const void *context, struct cr_os_registers *registers);

enum cr_os_standing {
    CR_OS_STOPPED, /* it does not run until cr_os_threads_go */
    CR_OS_ASLEEP, /* it sleeps in a system call, whose caller's registers but pc and sp are not known, and may wake up any time */
    CR_OS_AT_LARGE, /* it blocks the signal and runs, or did not answer: nothing is known but its number */
};

/* One of the other threads. */
struct cr_os_stopped {
    uint64_t id; /* as cr_os_thread_id says */
    enum cr_os_standing standing;
    struct cr_os_registers registers;
    uintptr_t stack_low,
        stack_high; /* what of its stack is in use: from sp, with the red zone, to the end; 0, 0: not known */
};

struct cr_os_stop {
    const struct cr_os_stopped *thread; /* valid until cr_os_threads_go, and in a child forked before that */
    size_t count;
    size_t left_out; /* threads there was no room for */
};

/* Stops all threads but the calling one and says where they stand. Between this and cr_os_threads_go nothing may be called that takes a
 * lock of the program's or its libraries', the allocator's above all: a stopped thread may hold it. In a signal handler too. One
 * at a time: -EBUSY when another thread is at it; another error: it could not be done, no thread is stopped then.
 *
 * Linux: a signal that the program does not handle is sent to each thread, and its handler waits. Threads that block it are not
 * sent any. Calls that return EINTR after a handler even with SA_RESTART (poll, nanosleep ...) do so in the program, too, hence
 * two ways: `gently`, for a program that goes on, leaves threads that sleep in such a call ASLEEP. Otherwise they are stopped, and
 * cr_os_threads_go(true) lets such a thread sleep on, for ever: to be called where the process ends.
 * macOS: threads are suspended, which they do not notice. */
int cr_os_threads_stop(bool gently, struct cr_os_stop *stop);
void cr_os_threads_go(bool ending);
/* In a forked child, which has one thread: another one may have been at it in the parent. */
void cr_os_threads_forked(void);

/* ---- what blocks take ---- */

/* Learns to ask the allocator, whose real malloc is given. In the tracker's constructor; takes the loader's lock. */
void cr_os_find_slack(uintptr_t allocating);
/* What a live block of this size could hold; 0: the allocator cannot tell. Takes no lock. */
uint64_t cr_os_usable_bytes(void *block, uint64_t size);
/* What the allocator has taken from the system, and what of it is in no block. Takes the allocator's locks. false: it cannot tell. */
bool cr_os_heap_bytes(uint64_t *from_system, uint64_t *unused);
/* For each of `count` pages from `start` on whether it is in memory: 1 or 0. */
void cr_os_resident_pages(uintptr_t start, size_t count, unsigned char *resident);

/* ---- real functions ---- */

/* The next definition of a function after the tracker's own in the search order, or NULL. `caller`, an address in the code that
 * asks, or NULL, helps where the function is known only to libraries of a plug-in. Takes the loader's lock. */
void *cr_os_next_function(const char *name, const void *caller);

#endif
