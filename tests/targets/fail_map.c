/* A library preloaded beside crunch's: the map number $FAIL_MAP that libcrunch asks for fails, and with $FAIL_MAP_ON all that
 * follow. In $FAIL_MAP_LOG one byte is written when that happened. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

/* Not getenv: environ is there before libc's own start, and the first map comes that early. */
static const char *lookup(const char *name)
{
    size_t length = strlen(name);
    for (char **entry = environ; entry && *entry; entry++)
        if (!strncmp(*entry, name, length) && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

static int from_crunch(const void *caller)
{
    Dl_info info;
    return dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, "libcrunch.so");
}

static void note(void)
{
    const char *log = lookup("FAIL_MAP_LOG");
    int fd = log ? (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (fd >= 0 && syscall(SYS_write, fd, "x", 1) == 1)
        syscall(SYS_close, fd);
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    static atomic_int count;
    const char *wanted = lookup("FAIL_MAP");
    if (wanted && from_crunch(__builtin_return_address(0))) {
        int n = ++count, fail = atoi(wanted);
        if (n == fail || (n > fail && lookup("FAIL_MAP_ON"))) {
            note();
            errno = ENOMEM;
            return MAP_FAILED;
        }
    }
    return (void *)syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) __attribute__((alias("mmap")));
