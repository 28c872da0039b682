/* platform_linux.c - platform.h for Linux with glibc. */
#include "platform/platform.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/fmt.h"
#include "platform/tls.h"
#include "base/banned.h"

/* ---- memory ---- */

/* Mappings grow down from the libraries, and blocks up from the program. */
void *cr_os_own_place(size_t bytes)
{
    (void)bytes;
    return NULL;
}

#define HUGE_PAGE_BYTES ((uintptr_t)2 << 20)

void cr_os_expect_use(void *memory, size_t bytes)
{
    int saved = errno;
    uintptr_t from = ((uintptr_t)memory + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
    uintptr_t to = ((uintptr_t)memory + bytes) & ~(HUGE_PAGE_BYTES - 1);
    if (from < to)
        madvise((void *)from, to - from, MADV_HUGEPAGE); /* refused by kernels without it: nothing lost */
    errno = saved;
}

void cr_os_done_with(void *memory, size_t bytes)
{
    int saved = errno;
    madvise(memory, bytes & ~(cr_os_page_bytes() - 1), MADV_DONTNEED);
    errno = saved;
}

int cr_os_allocate(int fd, uint64_t offset, uint64_t bytes)
{
    int error;
    do
        error = posix_fallocate(fd, (off_t)offset, (off_t)bytes);
    while (error == EINTR);
    return -error;
}

/* ---- guarded memory ---- */

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

bool cr_os_guard_is_cheap;
static bool guard_is_known; /* whether it is: found with the first piece, the same for all */

int cr_os_guard_prepare(void *pages, size_t bytes)
{
    int saved = errno, error = 0;
    bool cheap = (!guard_is_known || cr_os_guard_is_cheap) && !mprotect(pages, bytes, PROT_READ | PROT_WRITE) &&
                 !madvise(pages, bytes, MADV_GUARD_INSTALL);
    if (!guard_is_known)
        cr_os_guard_is_cheap = cheap;
    guard_is_known = true;
    if (!cheap && (mprotect(pages, bytes, PROT_NONE) || cr_os_guard_is_cheap))
        error = -ENOMEM; /* a program that locks all its memory can have no more of these pages */
    errno = saved;
    return error;
}

int cr_os_guard_open(void *pages, size_t bytes)
{
    int saved = errno;
    int failed = cr_os_guard_is_cheap ? madvise(pages, bytes, MADV_GUARD_REMOVE)
                                      : mprotect(pages, bytes, PROT_READ | PROT_WRITE);
    int error = failed ? -errno : 0;
    errno = saved;
    return error;
}

int cr_os_guard_close(void *pages, size_t bytes)
{
    int saved = errno, error = 0;
    if (!cr_os_guard_is_cheap)
        error = cr_os_map_closed(pages, bytes);
    else if (madvise(pages, bytes, MADV_GUARD_INSTALL)) { /* locked memory: closed for good */
        error = -errno;
        mprotect(pages, bytes, PROT_NONE);
    }
    errno = saved;
    return error;
}

#define OWN_SHARE 4u /* of the mappings: left to the program */

size_t cr_os_guard_most(void)
{
    uint64_t most = 65530;
    char text[32];
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n > 0) {
        text[n] = '\0';
        most = strtoull(text, NULL, 10);
    }
    return (size_t)(most - most / OWN_SHARE) / 2; /* an open stretch, and the closed one behind it */
}

/* ---- time ---- */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t = {0, 0};
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t cr_os_now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* ---- process and threads ---- */

__thread void *cr_tls_value __attribute__((tls_model("initial-exec")));
pthread_key_t cr_tls_key;

int cr_tls_start(void (*at_thread_end)(void *value)) { return -pthread_key_create(&cr_tls_key, at_thread_end); }
void cr_tls_at_end(void *value) { pthread_setspecific(cr_tls_key, value); }

uint64_t cr_os_max_rss(void)
{
    /* Not getrusage: its maximum goes on through exec, so a small program would show the launcher's. */
    char text[2048];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *line = strstr(text, "VmHWM:");
    uint64_t kib = 0;
    for (; line && *line != '\n' && *line; line++)
        if (*line >= '0' && *line <= '9')
            kib = kib * 10 + (uint64_t)(*line - '0');
    return kib * 1024;
}

/* The first bytes of a file of /proc; how many. By raw system calls, at which a thread cannot be cancelled, and by pread, which
 * does nothing to whatever another thread may have put in the descriptor's place. Keeps errno: a hook may be on its way back. */
static size_t read_proc(const char *path, char *text, size_t bytes)
{
    int saved = errno;
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC), n = 0;
    if (fd >= 0) {
        n = syscall(SYS_pread64, fd, text, bytes, 0L);
        syscall(SYS_close, fd);
    }
    errno = saved;
    return n > 0 ? (size_t)n : 0;
}

uint64_t cr_os_resident_bytes(void)
{
    char text[64];
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0)) /* opening a file might be punished by death */
        return 0;
    size_t length = read_proc("/proc/self/statm", text, sizeof text), i = 0;
    while (i < length && text[i] != ' ')
        i++;
    uint64_t pages = 0;
    while (++i < length && text[i] >= '0' && text[i] <= '9')
        pages = pages * 10 + (uint64_t)(text[i] - '0');
    return pages * cr_os_page_bytes();
}

void cr_os_thread_name(uint64_t thread, char *name, size_t bytes)
{
    char bytes_of_path[64];
    struct cr_text path = CR_TEXT(bytes_of_path);
    cr_text_string(&path, "/proc/self/task/");
    cr_text_decimal(&path, thread);
    cr_text_string(&path, "/comm");
    size_t length = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) ? 0 : read_proc(bytes_of_path, name, bytes - 1);
    name[length && name[length - 1] == '\n' ? length - 1 : length] = '\0';
}

const bool cr_os_starts_in_hook = true;
const bool cr_os_realloc_to_0_frees = true;
const size_t cr_os_least_apart = 32; /* the least chunk of glibc's malloc */
char **cr_os_environment(void) { return environ; }

uint64_t cr_os_thread_id(void) { return (uint64_t)syscall(SYS_gettid); }
bool cr_os_is_main_thread(void) { return (uint64_t)getpid() == cr_os_thread_id(); }

_Noreturn void cr_os_exit_now(int status)
{
    for (;;)
        syscall(SYS_exit_group, status);
}

int cr_os_exit_status = -1;
static void (*at_exit_function)(int status);

static void run_at_exit(int status, void *unused)
{
    (void)unused;
    at_exit_function(status);
}

static void run_at_quick_exit(void) { at_exit_function(cr_os_exit_status); }

int cr_os_at_exit(void (*fn)(int status))
{
    /* Handlers run last in, first out, and the loader's own, which runs all libraries' destructors, is registered after the
     * constructors: registered in ours, this one runs after everything else. on_exit, unlike atexit, is tied to no library
     * and tells the status. */
    at_exit_function = fn;
    return on_exit(run_at_exit, NULL) || at_quick_exit(run_at_quick_exit) ? -ENOMEM : 0;
}

/* Emits every argument; the kernel allows none longer than the buffer. */
static void emit_arguments(void (*emit)(void *, const char *, const char *), void *context)
{
    static char chunk[(128 << 10) + 1];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    size_t held = 0;
    ssize_t n;
    while (fd >= 0 && (n = read(fd, chunk + held, sizeof chunk - 1 - held)) > 0) {
        held += (size_t)n;
        size_t done = 0, length;
        while (done < held && (length = strnlen(chunk + done, held - done)) < held - done) {
            emit(context, "arg", chunk + done);
            done += length + 1;
        }
        held -= done;
        memmove(chunk, chunk + done, held);
    }
    if (fd >= 0)
        close(fd);
}

void cr_os_describe_process(void (*emit)(void *context, const char *key, const char *value), void *context)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    emit(context, "exe", path);
    n = syscall(SYS_getcwd, path, sizeof path);
    emit(context, "cwd", n > 0 ? path : "");
    emit_arguments(emit, context);
    struct utsname name;
    if (!uname(&name)) {
        emit(context, "system", name.sysname);
        emit(context, "release", name.release);
        emit(context, "machine", name.machine);
    }
    emit(context, "libc", gnu_get_libc_version());
}

/* ---- signals ---- */

void cr_os_read_signal(siginfo_t *info, const void *context) { (void)info, (void)context; }

void cr_os_signal_again(const siginfo_t *info)
{
    int number = info->si_signo;
    bool fault = info->si_code > 0 && (number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE);
    bool filtered = prctl(PR_GET_SECCOMP, 0, 0, 0, 0); /* an unusual system call might be punished */
    if (filtered && fault)
        return; /* the instruction has to do */
    if (filtered || syscall(SYS_rt_tgsigqueueinfo, (long)getpid(), cr_os_thread_id(), (long)number, info))
        raise(number);
}

/* ---- the runtimes' own blocks ---- */

struct cr_os_range cr_os_find_loader(void)
{
    struct cr_os_range range = {(uintptr_t)getauxval(AT_BASE), 0};
    if (!range.base)
        return range;
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)range.base;
    const ElfW(Phdr) *segment = (const ElfW(Phdr) *)(range.base + header->e_phoff);
    for (int i = 0; i < header->e_phnum; i++)
        if (segment[i].p_type == PT_LOAD && segment[i].p_vaddr + segment[i].p_memsz > range.bytes)
            range.bytes = segment[i].p_vaddr + segment[i].p_memsz;
    return range;
}

bool cr_os_in_loader(const void *address)
{
    (void)address;
    return true; /* there is nothing else in its range */
}

enum cr_os_role cr_os_role(const char *path)
{
    static const char *const names[] = {"libc.so",      "libstdc++.so", "libc++.so",
                                        "libc++abi.so", "libgcc_s.so",  "libpthread"};
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (!strncmp(name, "ld-linux", 8) || !strncmp(name, "ld64.so", 7) || !strncmp(name, "ld.so", 5))
        return CR_OS_LOADER;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strncmp(name, names[i], strlen(names[i])))
            return CR_OS_RUNTIME;
    return CR_OS_OTHER;
}

bool cr_os_is_runtime(const void *return_address)
{
    struct cr_os_module module; /* dladdr would go through all symbols of a library, 0.1 ms for 40,000 */
    if (!cr_os_find_module((uintptr_t)return_address, &module))
        return false;
    cr_os_describe_module(&module);
    return cr_os_role(module.path) != CR_OS_OTHER;
}

size_t cr_os_stream_buffers(const void **addresses, size_t most)
{
    FILE *const streams[] = {stdin, stdout, stderr};
    size_t n = 0;
    for (size_t i = 0; i < 3; i++)
        if (streams[i] && streams[i]->_IO_buf_base && n < most)
            addresses[n++] = streams[i]->_IO_buf_base;
    return n;
}

/* ---- real functions ---- */

/* A C++ plug-in of a C program: its runtime is known to the plug-in alone, so ask in the plug-in's own scope. */
static void *function_seen_from(const char *name, const void *caller)
{
    Dl_info info;
    if (!caller || !dladdr(caller, &info) || !info.dli_fname)
        return NULL;
    void *module = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (!module)
        return NULL;
    void *function = dlsym(module, name);
    /* It is called for ever: a runtime of its own stays when the plug-in goes. */
    Dl_info runtime;
    if (function && dladdr(function, &runtime) && runtime.dli_fbase != info.dli_fbase &&
        !dlopen(runtime.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE))
        function = NULL;
    dlclose(module);
    return function;
}

void *cr_os_next_function(const char *name, const void *caller)
{
    void *function = dlsym(RTLD_NEXT, name);
    return function ? function : function_seen_from(name, caller);
}
