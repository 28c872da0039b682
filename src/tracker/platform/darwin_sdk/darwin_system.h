/* darwin_system.h - the part of darwin.h about files, memory, signals, threads and time. */
#ifndef CR_DARWIN_SDK_SYSTEM_H
#define CR_DARWIN_SDK_SYSTEM_H

#include "darwin.h"

/* ---- time.h, sys/time.h ---- */

struct timespec {
    time_t tv_sec;
    long tv_nsec;
};
struct timeval {
    time_t tv_sec;
    suseconds_t tv_usec;
};
typedef enum {
    CLOCK_REALTIME = 0,
    CLOCK_MONOTONIC = 6,
} clockid_t;
int clock_gettime(clockid_t clock, struct timespec *now);
int nanosleep(const struct timespec *wanted, struct timespec *left);

/* ---- fcntl.h, sys/stat.h ---- */

#define O_RDONLY 0x0000
#define O_WRONLY 0x0001
#define O_RDWR 0x0002
#define O_CREAT 0x0200
#define O_TRUNC 0x0400
#define O_EXCL 0x0800
#define O_CLOEXEC 0x1000000
#define F_PREALLOCATE 42
#define F_ALLOCATECONTIG 2u
#define F_ALLOCATEALL 4u
#define F_PEOFPOSMODE 3

typedef struct fstore {
    unsigned fst_flags;
    int fst_posmode;
    off_t fst_offset, fst_length, fst_bytesalloc;
} fstore_t;
int fcntl(int fd, int command, ...);
int open(const char *path, int flags, ...);

struct stat {
    int st_dev;
    mode_t st_mode;
    unsigned short st_nlink;
    uint64_t st_ino;
    uid_t st_uid;
    gid_t st_gid;
    int st_rdev;
    struct timespec st_atimespec, st_mtimespec, st_ctimespec, st_birthtimespec;
    off_t st_size;
    long long st_blocks;
    int st_blksize;
    unsigned st_flags, st_gen;
    int st_lspare;
    long long st_qspare[2];
};
int fstat(int fd, struct stat *facts) CR_INODE64(fstat);
int stat(const char *path, struct stat *facts) CR_INODE64(stat);
int mkdir(const char *path, mode_t mode);

/* sys/file.h, sys/wait.h */
#define LOCK_EX 2
#define LOCK_NB 4
#define WNOHANG 1
int flock(int fd, int operation);
pid_t waitpid(pid_t child, int *status, int options);

/* ---- sys/mman.h, sys/resource.h, sys/utsname.h, sys/sysctl.h ---- */

#define PROT_NONE 0
#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_SHARED 0x0001
#define MAP_PRIVATE 0x0002
#define MAP_FIXED 0x0010
#define MAP_NORESERVE 0x0040
#define MAP_ANONYMOUS 0x1000
#define MAP_FAILED ((void *)-1)
void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int munmap(void *memory, size_t bytes);
#define MINCORE_INCORE 0x1
int mincore(const void *memory, size_t bytes, char *resident);
int mprotect(void *memory, size_t bytes, int protection);
#define MADV_FREE 5
int madvise(void *memory, size_t bytes, int advice);

struct rlimit {
    uint64_t rlim_cur, rlim_max;
};
#define RLIMIT_AS 5
#define RLIM_INFINITY (((uint64_t)1 << 63) - 1)
int getrlimit(int which, struct rlimit *limit);
struct rusage {
    struct timeval ru_utime, ru_stime;
    long ru_maxrss, ru_rest[13];
};

struct utsname {
    char sysname[256], nodename[256], release[256], version[256], machine[256];
};
int uname(struct utsname *facts);

/* ---- signal.h, ucontext ---- */

#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGILL 4
#define SIGTRAP 5
#define SIGABRT 6
#define SIGEMT 7
#define SIGFPE 8
#define SIGKILL 9
#define SIGBUS 10
#define SIGSEGV 11
#define SIGSYS 12
#define SIGPIPE 13
#define SIGALRM 14
#define SIGTERM 15
#define SIGXCPU 24
#define SIGXFSZ 25
#define SIGVTALRM 26
#define SIGPROF 27
#define SIGURG 16
#define SIGUSR1 30
#define SIGUSR2 31
#define NSIG 32
#define SIG_DFL ((void (*)(int))0)
#define SIG_IGN ((void (*)(int))1)
#define SIG_HOLD ((void (*)(int))5)
#define SIG_ERR ((void (*)(int)) - 1)
#define SIG_BLOCK 1
#define SIG_UNBLOCK 2
#define SIG_SETMASK 3
#define SA_ONSTACK 0x0001
#define SA_RESTART 0x0002
#define SA_SIGINFO 0x0040
#define SS_DISABLE 0x0004
#define SI_USER 0x10001
#define SI_QUEUE 0x10002
#define SI_TIMER 0x10003
#define ILL_ILLOPC 1
#define ILL_ILLTRP 2
#define ILL_PRVOPC 3
#define ILL_ILLOPN 4
#define ILL_ILLADR 5
#define ILL_PRVREG 6
#define ILL_COPROC 7
#define ILL_BADSTK 8
#define FPE_FLTDIV 1
#define FPE_FLTOVF 2
#define FPE_FLTUND 3
#define FPE_FLTRES 4
#define FPE_FLTINV 5
#define FPE_FLTSUB 6
#define FPE_INTDIV 7
#define FPE_INTOVF 8
#define SEGV_MAPERR 1
#define SEGV_ACCERR 2
#define BUS_ADRALN 1
#define BUS_ADRERR 2
#define BUS_OBJERR 3
#define TRAP_BRKPT 1
#define TRAP_TRACE 2

typedef unsigned sigset_t;
typedef struct {
    void *ss_sp;
    size_t ss_size;
    int ss_flags;
} stack_t;
typedef struct {
    int si_signo, si_errno, si_code;
    pid_t si_pid;
    uid_t si_uid;
    int si_status;
    void *si_addr;
    union {
        int sival_int;
        void *sival_ptr;
    } si_value;
    long si_band;
    unsigned long cr_pad[7];
} siginfo_t;
struct sigaction {
    union {
        void (*sa_handler_)(int);
        void (*sa_sigaction_)(int, siginfo_t *, void *);
    } cr_handler;
    sigset_t sa_mask;
    int sa_flags;
};
#define sa_handler cr_handler.sa_handler_
#define sa_sigaction cr_handler.sa_sigaction_

/* ---- setjmp.h ---- */

#if defined(__x86_64__)
typedef int sigjmp_buf[38];
#else
typedef int sigjmp_buf[49];
#endif
int sigsetjmp(sigjmp_buf place, int with_mask) __attribute__((returns_twice));
_Noreturn void siglongjmp(sigjmp_buf place, int value);

int kill(pid_t process, int number);
int raise(int number);
int sigaction(int number, const struct sigaction *action, struct sigaction *old);
int sigaltstack(const stack_t *stack, stack_t *old);
void (*signal(int number, void (*handler)(int)))(int);
void (*sigset(int number, void (*handler)(int)))(int);
int sigpending(sigset_t *set);
int sigwait(const sigset_t *set, int *number);
int pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
#define sigemptyset(set) (*(set) = 0, 0)
#define sigfillset(set) (*(set) = ~(sigset_t)0, 0)
#define sigaddset(set, number) (*(set) |= 1u << ((number)-1), 0)
#define sigismember(set, number) ((*(set) >> ((number)-1) & 1) != 0)

/* ---- pthread.h ---- */

typedef struct _opaque_pthread_t *pthread_t;
typedef unsigned long pthread_key_t;
typedef struct {
    long sig;
    char opaque[56];
} pthread_mutex_t, pthread_attr_t;
typedef struct {
    long sig;
    char opaque[8];
} pthread_once_t, pthread_mutexattr_t;
#define PTHREAD_MUTEX_INITIALIZER                                                                                      \
    {                                                                                                                  \
        0x32AAABA7, { 0 }                                                                                              \
    }
#define PTHREAD_ONCE_INIT                                                                                              \
    {                                                                                                                  \
        0x30B1BCBA, { 0 }                                                                                              \
    }
int pthread_atfork(void (*before)(void), void (*parent)(void), void (*child)(void));
void *pthread_getspecific(pthread_key_t key);
int pthread_setcancelstate(int state, int *old);
#define PTHREAD_CANCEL_DISABLE 0
pthread_t pthread_self(void);
int pthread_main_np(void);
void *pthread_get_stackaddr_np(pthread_t thread);
size_t pthread_get_stacksize_np(pthread_t thread);
int pthread_key_create(pthread_key_t *key, void (*at_end)(void *));
int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int pthread_mutex_lock(pthread_mutex_t *mutex);
int pthread_mutex_trylock(pthread_mutex_t *mutex);
int pthread_mutex_unlock(pthread_mutex_t *mutex);
int pthread_setspecific(pthread_key_t key, const void *value);
int pthread_threadid_np(pthread_t thread, uint64_t *number);

#endif
