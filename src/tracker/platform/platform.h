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

/* ---- memory ---- */

/* What offsets in mapped files must be multiples of: 4 KiB, on Apple silicon 16 KiB. */
size_t cr_os_page_bytes(void);
/* Zeroed private memory that costs nothing until touched; NULL if there is none. Keeps errno. */
void *cr_os_map(size_t bytes);
/* `bytes`, halved until it is a small share of the address space the process may have (RLIMIT_AS): how much to map at once. */
size_t cr_os_modest(size_t bytes);
/* Address space without memory behind it, for cr_os_map_file to fill; NULL if there is none. Keeps errno. */
void *cr_os_reserve(size_t bytes);
void cr_os_unmap(void *memory, size_t bytes);
/* Memory of which nearly every page will be used: let the system give it in large pieces, if it can. */
void cr_os_expect_use(void *memory, size_t bytes);
/* Maps bytes of fd from offset, shared, and at `at` (replacing what is there) unless that is NULL. fd -1: fresh zeroed private
 * memory instead. NULL if it can't be had. */
void *cr_os_map_file(int fd, uint64_t offset, size_t bytes, void *at);
/* Makes the file hold offset + bytes, the space really allocated on disk. May raise SIGXFSZ: the caller holds signals. */
int cr_os_allocate(int fd, uint64_t offset, uint64_t bytes);

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

/* Makes what a handler was given say what it promises: si_code the cause, SI_USER only if a process sent the signal. Returns
 * whether the signal is sure to come again, in all its details, when the handler returns to the default action. */
bool cr_os_read_signal(siginfo_t *info, const void *context);

/* ---- time ---- */

uint64_t cr_os_now_ns(void);    /* monotonic */
uint64_t cr_os_coarse_ns(void); /* the same clock, cheap: a few ns to read, a few ms coarse */
uint64_t cr_os_wall_ns(void);   /* since 1970 */

/* ---- process and threads ---- */

uint64_t cr_os_max_rss(void);   /* bytes */
uint64_t cr_os_thread_id(void); /* the system's number of the calling thread */
/* Whether start-up may be in the process's first hook. On macOS that is too early: the first ones are libSystem's, while it still
 * sets itself up, and nothing else runs before the tracker's constructor. */
extern const bool cr_os_starts_in_hook;
/* The environment, not through getenv, which is the program's to interpose; NULL while it is not there yet. */
char **cr_os_environment(void);
/* Ends the process at once, without any handler. */
_Noreturn void cr_os_exit_now(int status);
/* Calls fn(status) at exit, after all handlers and destructors of the program and its libraries if called early enough; status
 * is -1 where the system does not tell it. Not from a signal handler. 0 or -errno. */
int cr_os_at_exit(void (*fn)(int status));
/* The status at an exit whose handlers are not told it (quick_exit, on macOS exit), set by the hook; -1: unknown. */
extern int cr_os_exit_status;

/* Facts for the recording, each through emit(context, key, value): exe, cwd, arg ..., machine. Not from a signal handler. */
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

/* ---- real functions ---- */

/* The next definition of a function after the tracker's own in the search order, or NULL. `caller`, an address in the code that
 * asks, or NULL, helps where the function is known only to libraries of a plug-in. Takes the loader's lock. */
void *cr_os_next_function(const char *name, const void *caller);

#endif
