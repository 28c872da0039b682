/* darwin.h - what the tracker uses of macOS's C interface, for cross-building it where Apple's headers are not to be had.
 *
 * Written from the documented interface; tests/darwin/test_sdk.py compares sizes, offsets and values with the headers that
 * zig brings. A Mac and zig use their own headers and never see this one. Each standard name (<errno.h> ...) leads here. */
#ifndef CR_DARWIN_SDK_H
#define CR_DARWIN_SDK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CR_INODE64(name) __asm("_" #name CR_INODE64_SUFFIX)
#if defined(__x86_64__)
#define CR_INODE64_SUFFIX "$INODE64"
#else
#define CR_INODE64_SUFFIX
#endif
#define CR_SINCE_10_15 __attribute__((weak_import))

/* ---- types ---- */

typedef long ssize_t;
typedef long long off_t;
typedef int pid_t;
typedef unsigned uid_t, gid_t;
typedef unsigned short mode_t;
typedef long time_t;
typedef int suseconds_t;

/* ---- errno.h ---- */

int *__error(void);
#define errno (*__error())
#define EPERM 1
#define ENOENT 2
#define EINTR 4
#define EIO 5
#define EBADF 9
#define EAGAIN 35
#define EBUSY 16
#define ENOMEM 12
#define EACCES 13
#define EFAULT 14
#define EEXIST 17
#define EINVAL 22
#define ENFILE 23
#define EMFILE 24
#define EFBIG 27
#define ENOSPC 28
#define EROFS 30
#define ENAMETOOLONG 63
#define ENOSYS 78
#define EDQUOT 69

/* ---- assert.h, string.h, stdlib.h, stdio.h ---- */

#define static_assert _Static_assert

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *memory, int byte, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t bytes);
size_t strnlen(const char *text, size_t most);
char *strrchr(const char *text, int byte);
char *strstr(const char *text, const char *part);

void *malloc(size_t bytes);
void *calloc(size_t count, size_t bytes);
void *realloc(void *block, size_t bytes);
void *reallocf(void *block, size_t bytes);
void *valloc(size_t bytes);
void free(void *block);
int posix_memalign(void **result, size_t align, size_t bytes);
void *aligned_alloc(size_t align, size_t bytes) CR_SINCE_10_15;
_Noreturn void exit(int status);
_Noreturn void _Exit(int status);
_Noreturn void abort(void);
int atexit(void (*handler)(void));
char *getenv(const char *name);
int setenv(const char *name, const char *value, int replace);

struct __sFILE; /* its buffer is told by the fields that have been in place since the first macOS */
struct cr_sbuf {
    unsigned char *_base;
    int _size;
};
typedef struct __sFILE {
    unsigned char *_p;
    int _r, _w;
    short _flags, _file;
    struct cr_sbuf _bf;
} FILE;
extern FILE *__stdinp, *__stdoutp, *__stderrp;
#define stdin __stdinp
#define stdout __stdoutp
#define stderr __stderrp
int rename(const char *from, const char *to);

/* ---- unistd.h ---- */

#define STDERR_FILENO 2
#define SEEK_SET 0
#define _SC_PAGESIZE 29

_Noreturn void _exit(int status);
int access(const char *path, int mode);
int close(int fd);
int execl(const char *path, const char *arg, ...);
int execle(const char *path, const char *arg, ...);
int execlp(const char *file, const char *arg, ...);
int execv(const char *path, char *const argv[]);
int execve(const char *path, char *const argv[], char *const envp[]);
int execvp(const char *file, char *const argv[]);
int ftruncate(int fd, off_t bytes);
int rmdir(const char *path);
char *getcwd(char *buffer, size_t bytes);
pid_t getpid(void);
pid_t getppid(void);
off_t lseek(int fd, off_t offset, int from);
ssize_t pwrite(int fd, const void *buffer, size_t bytes, off_t offset);
ssize_t read(int fd, void *buffer, size_t bytes);
long sysconf(int name);
int unlink(const char *path);
ssize_t write(int fd, const void *buffer, size_t bytes);

#endif
