/* tasks.c - Mach's tasks and threads, and pthread's keys and locks, for system.c. A thread is suspended by a signal whose handler waits; its
 * port is its number. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "registers.h"

#define SUSPENDED 60 /* a signal */
#define THREADS 64
#if defined(__x86_64__)
#define EMULATED false
#else
#define EMULATED true /* by qemu, whose own threads are no guests */
#endif

unsigned mach_task_self_ = 1;
unsigned task_self_trap(void) { return 1; }
unsigned mach_thread_self(void) { return (unsigned)gettid(); }
int mach_port_deallocate(unsigned task, unsigned port) { return (void)task, (void)port, 0; }

static struct {
    _Atomic unsigned id, stopped, go;
    uint64_t word[WORDS];
} held[THREADS];

static void hold(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    (void)number, (void)info;
    for (size_t i = 0; i < THREADS; i++)
        if (held[i].id == (unsigned)gettid()) {
            fake_registers(context, held[i].word);
            held[i].stopped = 1;
            while (!held[i].go)
                sched_yield();
            held[i].id = 0;
        }
    errno = saved;
}

int task_threads(unsigned task, unsigned **list, unsigned *count)
{
    (void)task;
    *list = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *count = 0;
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char room[4096];
    for (ssize_t bytes; (bytes = syscall(SYS_getdents64, fd, room, sizeof room)) > 0;)
        for (ssize_t at = 0; at < bytes; at += *(uint16_t *)(void *)(room + at + 16))
            if (atoi(room + at + 19) && (!EMULATED || atoi(room + at + 19) == gettid()))
                (*list)[(*count)++] = (unsigned)atoi(room + at + 19);
    close(fd);
    return 0;
}

int thread_suspend(unsigned thread)
{
    size_t i = 0;
    struct sigaction action = {.sa_sigaction = hold, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SUSPENDED, &action, NULL);
    while (held[i].id)
        i++;
    held[i].go = held[i].stopped = 0;
    held[i].id = thread;
    if (syscall(SYS_tgkill, getpid(), thread, SUSPENDED))
        return held[i].id = 0, 1;
    while (!held[i].stopped)
        sched_yield();
    return 0;
}

int thread_resume(unsigned thread)
{
    for (size_t i = 0; i < THREADS; i++)
        if (held[i].id == thread)
            held[i].go = 1;
    return 0;
}

int thread_get_state(unsigned thread, int kind, uint64_t *word, unsigned *count)
{
    if (kind != STATE_KIND || *count != 2 * WORDS)
        return 1;
    for (size_t i = 0; i < THREADS; i++)
        if (held[i].id == thread)
            return memcpy(word, held[i].word, sizeof held[i].word), 0;
    return 1;
}

int thread_info(unsigned thread, unsigned kind, uint64_t *info, unsigned *count)
{
    return (void)kind, (void)count, info[0] = thread, 0;
}

int task_info(unsigned task, unsigned kind, uint32_t *info, unsigned *count)
{
    (void)task;
    if (kind == 17) /* TASK_DYLD_INFO */
        return 1;
    memset(info, 0, *count * 4);
    memcpy(kind == 22 ? (void *)(info + *count - 2) : (void *)(info + 4), &(uint64_t){5 << 20}, 8);
    return 0;
}

int proc_pidinfo(int pid, int kind, uint64_t thread, void *info, int bytes)
{
    (void)pid, (void)thread;
    if (kind != 15) /* PROC_PIDTHREADID64INFO; no descriptors */
        return 0;
    return memset(info, 0, (size_t)bytes), bytes;
}

int proc_pidfdinfo(int pid, int fd, int kind, void *info, int bytes)
{
    return (void)pid, (void)fd, (void)kind, (void)info, (void)bytes, 0;
}
int pthread_threadid_np(pthread_t thread, uint64_t *id) { return (void)thread, *id = (uint64_t)gettid(), 0; }
int pthread_main_np(void) { return gettid() == getpid(); }

static void stack_of(pthread_t thread, void **low, size_t *bytes)
{
    pthread_attr_t attributes;
    pthread_getattr_np(thread, &attributes);
    pthread_attr_getstack(&attributes, low, bytes);
    pthread_attr_destroy(&attributes);
}

void *pthread_get_stackaddr_np(pthread_t thread)
{
    void *low;
    size_t bytes;
    stack_of(thread, &low, &bytes);
    return (char *)low + bytes;
}

size_t pthread_get_stacksize_np(pthread_t thread)
{
    void *low;
    size_t bytes;
    stack_of(thread, &low, &bytes);
    return bytes;
}

int fake_pthread_setcancelstate(int state, int *old) { return (void)state, *old = 0, 0; }
int fake_pthread_key_create(unsigned long *key, void (*end)(void *))
{
    return *key = 0, pthread_key_create((unsigned *)key, end);
}
void *fake_pthread_getspecific(unsigned long key) { return pthread_getspecific((unsigned)key); }
int fake_pthread_setspecific(unsigned long key, void *value) { return pthread_setspecific((unsigned)key, value); }

struct mutex {
    long kind;
    _Atomic int taken;
};
int fake_pthread_mutex_init(struct mutex *mutex, const void *attributes)
{
    return (void)attributes, mutex->taken = 0, 0;
}
int fake_pthread_mutex_trylock(struct mutex *mutex) { return atomic_exchange(&mutex->taken, 1) ? EBUSY : 0; }
int fake_pthread_mutex_unlock(struct mutex *mutex) { return mutex->taken = 0, 0; }
int fake_pthread_mutex_lock(struct mutex *mutex)
{
    while (atomic_exchange(&mutex->taken, 1))
        sched_yield();
    return 0;
}

pid_t __fork(void) { return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }
