/* hook_list.h - every function crunch interposes, once. From this list come the table of real functions, their look-up, and on
 * macOS the interposing tuples; tests/ read it too. docs/adding-a-hook.md says what else a new line needs.
 *
 *   X(system, return type, name, parameters)     system: BOTH, LINUX or DARWIN
 *
 * A hook is defined with CR_HOOK (entry/hooks.h) under the same name: in entry/ for BOTH, in platform/interpose_*.c otherwise. */
#ifndef CR_ENTRY_HOOK_LIST_H
#define CR_ENTRY_HOOK_LIST_H

#define CR_HOOK_LIST(X)                                                                                                \
    X(BOTH, void *, malloc, (size_t size))                                                                             \
    X(BOTH, void *, calloc, (size_t count, size_t size))                                                               \
    X(BOTH, void *, realloc, (void *block, size_t size))                                                               \
    X(BOTH, void, free, (void *block))                                                                                 \
    X(BOTH, void *, valloc, (size_t size))                                                                             \
    X(BOTH, int, posix_memalign, (void **result, size_t align, size_t size))                                           \
    X(BOTH, void *, aligned_alloc, (size_t align, size_t size))                                                        \
                                                                                                                       \
    X(LINUX, void *, reallocarray, (void *block, size_t count, size_t size))                                           \
    X(LINUX, void, cfree, (void *block))                                                                               \
    X(LINUX, void *, memalign, (size_t align, size_t size))                                                            \
    X(LINUX, void *, pvalloc, (size_t size))                                                                           \
    X(LINUX, void, free_sized, (void *block, size_t size))                                                             \
    X(LINUX, void, free_aligned_sized, (void *block, size_t align, size_t size))                                       \
    X(LINUX, size_t, malloc_usable_size, (void *block))                                                                \
    X(LINUX, void *, __libc_malloc, (size_t size))                                                                     \
    X(LINUX, void *, __libc_calloc, (size_t count, size_t size))                                                       \
    X(LINUX, void *, __libc_realloc, (void *block, size_t size))                                                       \
    X(LINUX, void *, __libc_memalign, (size_t align, size_t size))                                                     \
    X(LINUX, void *, __libc_valloc, (size_t size))                                                                     \
    X(LINUX, void *, __libc_pvalloc, (size_t size))                                                                    \
    X(LINUX, void, __libc_free, (void *block))                                                                         \
                                                                                                                       \
    /* operator new: plain, array, nothrow, aligned */                                                                 \
    X(LINUX, void *, _Znwm, (size_t size))                                                                             \
    X(LINUX, void *, _Znam, (size_t size))                                                                             \
    X(LINUX, void *, _ZnwmRKSt9nothrow_t, (size_t size, const void *nothrow))                                          \
    X(LINUX, void *, _ZnamRKSt9nothrow_t, (size_t size, const void *nothrow))                                          \
    X(LINUX, void *, _ZnwmSt11align_val_t, (size_t size, size_t align))                                                \
    X(LINUX, void *, _ZnamSt11align_val_t, (size_t size, size_t align))                                                \
    X(LINUX, void *, _ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *nothrow))             \
    X(LINUX, void *, _ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *nothrow))             \
    /* operator delete: plain, array, nothrow, sized, aligned */                                                       \
    X(LINUX, void, _ZdlPv, (void *block))                                                                              \
    X(LINUX, void, _ZdaPv, (void *block))                                                                              \
    X(LINUX, void, _ZdlPvRKSt9nothrow_t, (void *block, const void *nothrow))                                           \
    X(LINUX, void, _ZdaPvRKSt9nothrow_t, (void *block, const void *nothrow))                                           \
    X(LINUX, void, _ZdlPvm, (void *block, size_t size))                                                                \
    X(LINUX, void, _ZdaPvm, (void *block, size_t size))                                                                \
    X(LINUX, void, _ZdlPvSt11align_val_t, (void *block, size_t align))                                                 \
    X(LINUX, void, _ZdaPvSt11align_val_t, (void *block, size_t align))                                                 \
    X(LINUX, void, _ZdlPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t align, const void *nothrow))              \
    X(LINUX, void, _ZdaPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t align, const void *nothrow))              \
    X(LINUX, void, _ZdlPvmSt11align_val_t, (void *block, size_t size, size_t align))                                   \
    X(LINUX, void, _ZdaPvmSt11align_val_t, (void *block, size_t size, size_t align))                                   \
                                                                                                                       \
    X(DARWIN, void *, reallocf, (void *block, size_t size))                                                            \
    X(DARWIN, void *, malloc_zone_malloc, (malloc_zone_t * zone, size_t size))                                         \
    X(DARWIN, void *, malloc_zone_calloc, (malloc_zone_t * zone, size_t count, size_t size))                           \
    X(DARWIN, void *, malloc_zone_valloc, (malloc_zone_t * zone, size_t size))                                         \
    X(DARWIN, void *, malloc_zone_realloc, (malloc_zone_t * zone, void *block, size_t size))                           \
    X(DARWIN, void *, malloc_zone_memalign, (malloc_zone_t * zone, size_t align, size_t size))                         \
    X(DARWIN, void, malloc_zone_free, (malloc_zone_t * zone, void *block))                                             \
    X(DARWIN, unsigned, malloc_zone_batch_malloc, (malloc_zone_t * zone, size_t size, void **results, unsigned count)) \
    X(DARWIN, void, malloc_zone_batch_free, (malloc_zone_t * zone, void **blocks, unsigned count))                     \
    X(DARWIN, void, malloc_destroy_zone, (malloc_zone_t * zone))                                                       \
                                                                                                                       \
    /* signal dispositions, so that crunch's own handlers stay invisible */                                            \
    X(BOTH, int, sigaction, (int number, const struct sigaction *action, struct sigaction *old))                       \
    X(BOTH, cr_signal_handler, signal, (int number, cr_signal_handler handler))                                        \
    X(BOTH, int, sigaltstack, (const stack_t *stack, stack_t *old))                                                    \
    X(LINUX, cr_signal_handler, bsd_signal, (int number, cr_signal_handler handler))                                   \
    X(LINUX, cr_signal_handler, ssignal, (int number, cr_signal_handler handler))                                      \
    X(LINUX, cr_signal_handler, sysv_signal, (int number, cr_signal_handler handler))                                  \
    X(LINUX, cr_signal_handler, __sysv_signal, (int number, cr_signal_handler handler))                                \
    X(BOTH, cr_signal_handler, sigset, (int number, cr_signal_handler handler))                                        \
                                                                                                                       \
    /* allocates with a lock of the thread's held that a thread's first allocation needs (platform/modules_linux.c) */ \
    X(LINUX, int, pthread_getattr_np, (pthread_t thread, pthread_attr_t * attributes))                                 \
                                                                                                                       \
    /* gives the new thread a stack for crunch's signal handler (platform/interpose_threads_linux.c) */                \
    X(LINUX, int, pthread_create,                                                                                      \
      (pthread_t * thread, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument))                \
                                                                                                                       \
    /* waits that end with EINTR after any signal handler, also crunch's own (platform/interpose_waits_linux.c) */     \
    X(LINUX, int, poll, (struct pollfd * fds, nfds_t count, int timeout))                                              \
    X(LINUX, int, __poll_chk, (struct pollfd * fds, nfds_t count, int timeout, size_t bytes))                          \
    X(LINUX, int, ppoll, (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask))    \
    X(LINUX, int, __ppoll_chk,                                                                                         \
      (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t bytes))         \
    X(LINUX, int, select, (int count, fd_set *readable, fd_set *writable, fd_set *special, struct timeval *timeout))   \
    X(LINUX, int, pselect,                                                                                             \
      (int count, fd_set *readable, fd_set *writable, fd_set *special, const struct timespec *timeout,                 \
       const sigset_t *mask))                                                                                          \
    X(LINUX, int, epoll_wait, (int fd, struct epoll_event *events, int most, int timeout))                             \
    X(LINUX, int, epoll_pwait, (int fd, struct epoll_event *events, int most, int timeout, const sigset_t *mask))      \
    X(LINUX, int, epoll_pwait2,                                                                                        \
      (int fd, struct epoll_event *events, int most, const struct timespec *timeout, const sigset_t *mask))            \
    X(LINUX, int, nanosleep, (const struct timespec *time, struct timespec *left))                                     \
    X(LINUX, int, clock_nanosleep, (clockid_t clock, int flags, const struct timespec *time, struct timespec *left))   \
    X(LINUX, unsigned, sleep, (unsigned seconds))                                                                      \
    X(LINUX, int, usleep, (useconds_t us))                                                                             \
    X(LINUX, int, thrd_sleep, (const struct timespec *time, struct timespec *left))                                    \
    X(LINUX, int, pause, (void))                                                                                       \
    X(LINUX, int, sigsuspend, (const sigset_t *mask))                                                                  \
    X(LINUX, int, sigwaitinfo, (const sigset_t *set, siginfo_t *info))                                                 \
    X(LINUX, int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *timeout))                \
    X(LINUX, int, sigwait, (const sigset_t *set, int *number))                                                         \
    X(LINUX, int, sem_wait, (sem_t * semaphore))                                                                       \
    X(LINUX, int, sem_timedwait, (sem_t * semaphore, const struct timespec *end))                                      \
    X(LINUX, int, sem_clockwait, (sem_t * semaphore, clockid_t clock, const struct timespec *end))                     \
    X(LINUX, int, semop, (int set, struct sembuf *operations, size_t count))                                           \
    X(LINUX, int, semtimedop, (int set, struct sembuf *operations, size_t count, const struct timespec *timeout))      \
    X(LINUX, int, msgsnd, (int queue, const void *message, size_t size, int flags))                                    \
    X(LINUX, ssize_t, msgrcv, (int queue, void *message, size_t size, long type, int flags))                           \
                                                                                                                       \
    /* ends of the process image that run no exit handlers */                                                          \
    X(BOTH, void, _exit, (int status))                                                                                 \
    X(BOTH, void, _Exit, (int status))                                                                                 \
    X(DARWIN, void, exit, (int status))                                                                                \
    X(BOTH, int, execv, (const char *path, char *const argv[]))                                                        \
    X(BOTH, int, execve, (const char *path, char *const argv[], char *const envp[]))                                   \
    X(BOTH, int, execvp, (const char *file, char *const argv[]))                                                       \
    X(BOTH, int, execl, (const char *path, const char *arg, ...))                                                      \
    X(BOTH, int, execle, (const char *path, const char *arg, ...))                                                     \
    X(BOTH, int, execlp, (const char *file, const char *arg, ...))                                                     \
    X(LINUX, void, quick_exit, (int status))                                                                           \
    X(LINUX, int, execvpe, (const char *file, char *const argv[], char *const envp[]))                                 \
    X(LINUX, int, fexecve, (int fd, char *const argv[], char *const envp[]))                                           \
    X(LINUX, int, execveat, (int folder, const char *path, char *const argv[], char *const envp[], int flags))         \
    X(LINUX, pid_t, _Fork, (void))

#endif
