/* platform_darwin.c - platform.h for macOS: memory, time, process and threads. Signals are in signals_darwin.c, the runtimes' own
 * blocks in runtime_darwin.c. */
#include "platform/platform.h"

#include <crt_externs.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libproc.h>
#include <mach-o/dyld.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fmt.h"
#include "platform/tls.h"
#include "base/banned.h"

/* ---- memory ---- */

/* Between the shared cache and malloc's nano zone, of 128 TiB; where nothing else looks for room. */
#define OWN_SPACE ((uintptr_t)32 << 40)
#define BETWEEN_BYTES ((size_t)1 << 20)

/* The system gives mappings the lowest room there is, which lies right behind malloc's regions: an access far beside a block would meet
 * the tracker's memory instead of none. What is asked for is no more than a wish. */
void *cr_os_own_place(size_t bytes)
{
    static _Atomic uintptr_t next = OWN_SPACE;
    size_t room = (bytes + 2 * BETWEEN_BYTES - 1) & ~(BETWEEN_BYTES - 1);
    return (void *)atomic_fetch_add_explicit(&next, room, memory_order_relaxed);
}

void cr_os_expect_use(void *memory, size_t bytes)
{
    (void)memory, (void)bytes; /* macOS has no large pages for the asking */
}

void cr_os_done_with(void *memory, size_t bytes)
{
    int saved = errno;
    madvise(memory, bytes & ~(cr_os_page_bytes() - 1), MADV_FREE);
    errno = saved;
}

/* A map entry for each stretch of pages, as many as there is memory for. */
bool cr_os_guard_is_cheap;
size_t cr_os_guard_most(void) { return SIZE_MAX; }

int cr_os_guard_prepare(void *pages, size_t bytes)
{
    (void)pages, (void)bytes; /* reserved without access */
    return 0;
}

int cr_os_guard_open(void *pages, size_t bytes)
{
    int saved = errno;
    int error = mprotect(pages, bytes, PROT_READ | PROT_WRITE) ? -errno : 0;
    errno = saved;
    return error;
}

int cr_os_guard_close(void *pages, size_t bytes)
{
    int saved = errno;
    int error = cr_os_map_closed(pages, bytes);
    errno = saved;
    return error;
}

/* For file systems that allocate nothing ahead (network, FAT). */
static int write_zeros(int fd, off_t from, off_t end)
{
    static const char zeros[16 << 10];
    while (from < end) {
        size_t left = (size_t)(end - from);
        ssize_t n = pwrite(fd, zeros, left < sizeof zeros ? left : sizeof zeros, from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        from += n;
    }
    return 0;
}

int cr_os_allocate(int fd, uint64_t offset, uint64_t bytes)
{
    struct stat status;
    if (fstat(fd, &status))
        return -errno;
    off_t end = (off_t)(offset + bytes);
    if (status.st_size >= end)
        return 0;
    /* The length counts from the end of what is allocated. Space in one piece, if there is any. */
    fstore_t space = {.fst_flags = F_ALLOCATECONTIG | F_ALLOCATEALL,
                      .fst_posmode = F_PEOFPOSMODE,
                      .fst_length = end - status.st_size};
    if (fcntl(fd, F_PREALLOCATE, &space)) {
        space.fst_flags = F_ALLOCATEALL;
        if (fcntl(fd, F_PREALLOCATE, &space))
            return write_zeros(fd, status.st_size, end); /* says what is really wrong, too */
    }
    return ftruncate(fd, end) ? -errno : 0;
}

/* ---- time ---- */

/* Ticks are ns on Intel and 125/3 ns on Apple silicon, so the product does not overflow within a machine's life. */
static uint64_t ticks_to_ns(uint64_t ticks)
{
    static mach_timebase_info_data_t base;
    if (!base.denom)
        mach_timebase_info(&base); /* first by start-up, alone */
    return ticks * base.numer / base.denom;
}

/* Not CLOCK_MONOTONIC, which counts in whole us and is another clock than the approximate one. */
uint64_t cr_os_now_ns(void) { return ticks_to_ns(mach_absolute_time()); }
uint64_t cr_os_coarse_ns(void) { return ticks_to_ns(mach_approximate_time()); }

/* ---- process and threads ---- */

pthread_key_t cr_tls_key;
bool cr_tls_started;

int cr_tls_start(void (*at_thread_end)(void *value))
{
    int error = pthread_key_create(&cr_tls_key, at_thread_end);
    cr_tls_started = !error;
    return -error;
}

/* The key's value is the thread-local pointer itself. At a thread's end the system sets it to NULL and calls at_thread_end with what
 * it was, up to four times; what the last call leaves stays until the thread is gone. */
void cr_tls_at_end(void *value) { cr_tls_set(value); }

uint64_t cr_os_max_rss(void)
{
    struct mach_task_basic_info info = {0};
    mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
    kern_return_t error = task_info(mach_task_self(), MACH_TASK_BASIC_INFO, (task_info_t)&info, &count);
    return error ? 0 : info.resident_size_max;
}

uint64_t cr_os_resident_bytes(void)
{
    /* Only as far as the oldest system knows the structure. */
    struct task_vm_info info = {.phys_footprint = 0};
    mach_msg_type_number_t count =
        (offsetof(struct task_vm_info, phys_footprint) + sizeof info.phys_footprint) / sizeof(natural_t);
    return task_info(mach_task_self(), TASK_VM_INFO, (task_info_t)&info, &count) ? 0 : info.phys_footprint;
}

void cr_os_thread_name(uint64_t thread, char *name, size_t bytes)
{
    struct proc_threadinfo info;
    struct cr_text text = {name, bytes, 0, false};
    cr_text_string(&text, "");
    if (proc_pidinfo(getpid(), PROC_PIDTHREADID64INFO, thread, &info, sizeof info) != (int)sizeof info)
        return;
    info.pth_name[sizeof info.pth_name - 1] = '\0';
    cr_text_string(&text, info.pth_name);
}

uint64_t cr_os_thread_id(void)
{
    uint64_t id = 0;
    pthread_threadid_np(NULL, &id);
    return id;
}

bool cr_os_is_main_thread(void) { return pthread_main_np() != 0; }

const bool cr_os_starts_in_hook = false;
const bool cr_os_realloc_to_0_frees = false;
const size_t cr_os_least_apart = 16;
char **cr_os_environment(void) { return *_NSGetEnviron(); } /* a library has no `environ` of its own */

_Noreturn void cr_os_exit_now(int status) { _exit(status); }

int cr_os_exit_status = -1;
static void (*at_exit_function)(int status);

static void run_at_exit(void) { at_exit_function(cr_os_exit_status); }

int cr_os_at_exit(void (*fn)(int status))
{
    /* Handlers run last in, first out, and those that end the program's libraries are registered when these are initialised, all
     * after ours. Only libSystem's flush of the standard streams follows, which frees nothing. */
    at_exit_function = fn;
    return atexit(run_at_exit) ? -ENOMEM : 0;
}

static void emit_executable(void (*emit)(void *, const char *, const char *), void *context)
{
    static char path[PROC_PIDPATHINFO_MAXSIZE];
    uint32_t size = sizeof path;
    /* The kernel's answer is absolute and without links; the loader's is as the program was started. */
    if (proc_pidpath(getpid(), path, size) <= 0 && _NSGetExecutablePath(path, &size))
        path[0] = '\0';
    emit(context, "exe", path);
}

void cr_os_describe_process(void (*emit)(void *context, const char *key, const char *value), void *context)
{
    static char folder[4096];
    emit_executable(emit, context);
    emit(context, "cwd", getcwd(folder, sizeof folder) ? folder : "");
    char **argv = *_NSGetArgv();
    for (int i = 0; i < *_NSGetArgc() && argv[i]; i++)
        emit(context, "arg", argv[i]);
    struct utsname name;
    if (!uname(&name)) {
        emit(context, "system", name.sysname);
        emit(context, "release", name.release);
        emit(context, "machine", name.machine);
    }
}

/* ---- real functions ---- */

/* For what is not in the hook list, whose functions the hooks call by name: a call from this library is never redirected. */
void *cr_os_next_function(const char *name, const void *caller)
{
    (void)caller;
    return dlsym(RTLD_NEXT, name);
}
