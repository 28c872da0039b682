/* Waits in the way that is named, for 2 s at most unless a signal of its own comes after 1.2 s (a second argument), and says what came of
 * it: result, errno, and whether it took the whole time. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

int __poll_chk(struct pollfd *, nfds_t, int, size_t);

static const struct timespec span = {2, 0};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct timespec at(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += span.tv_sec;
    return t;
}

static void on_alarm(int number) { (void)number; }

static void *post(void *semaphore)
{
    usleep(2000000);
    sem_post(semaphore);
    return NULL;
}

static void *interrupt(void *thread)
{
    usleep(2000000);
    pthread_kill(*(pthread_t *)thread, SIGUSR1);
    return NULL;
}

static volatile int cleaned_up;
static void clean_up(void *unused) { (void)unused, cleaned_up = 1; }

static void *sleep_for_ever(void *unused)
{
    pthread_cleanup_push(clean_up, NULL);
    poll(NULL, 0, -1);
    pthread_cleanup_pop(0);
    return unused;
}

static long wait_as(const char *way)
{
    struct pollfd none[1];
    struct epoll_event events[1];
    struct timespec left = {9, 9}, end;
    int epoll = epoll_create1(0);
    sigset_t mask, usr;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigemptyset(&usr);
    sigaddset(&usr, SIGUSR2);
    pthread_t self = pthread_self(), other;
    if (!strcmp(way, "poll"))
        return poll(none, 0, 2000);
    if (!strcmp(way, "poll_chk"))
        return __poll_chk(none, 0, 2000, sizeof none);
    if (!strcmp(way, "ppoll"))
        return ppoll(none, 0, &span, &mask);
    if (!strcmp(way, "select")) {
        struct timeval time = {2, 0};
        return select(0, NULL, NULL, NULL, &time);
    }
    if (!strcmp(way, "pselect"))
        return pselect(0, NULL, NULL, NULL, &span, &mask);
    if (!strcmp(way, "epoll_wait"))
        return epoll_wait(epoll, events, 1, 2000);
    if (!strcmp(way, "epoll_pwait"))
        return epoll_pwait(epoll, events, 1, 2000, &mask);
    if (!strcmp(way, "nanosleep"))
        return nanosleep(&span, &left);
    if (!strcmp(way, "clock_nanosleep"))
        return clock_nanosleep(CLOCK_MONOTONIC, 0, &span, &left);
    if (!strcmp(way, "clock_nanosleep_until")) {
        end = at(CLOCK_MONOTONIC);
        return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
    }
    if (!strcmp(way, "usleep"))
        return usleep(2000000);
    if (!strcmp(way, "sleep"))
        return sleep(2);
    if (!strcmp(way, "thrd_sleep"))
        return thrd_sleep(&span, NULL);
    if (!strcmp(way, "sigtimedwait"))
        return sigtimedwait(&usr, NULL, &span);
    if (!strcmp(way, "sigtimedwait_all")) {
        sigset_t all;
        sigfillset(&all);
        return sigtimedwait(&all, NULL, &span);
    }
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    end = at(CLOCK_REALTIME);
    if (!strcmp(way, "sem_timedwait"))
        return sem_timedwait(&semaphore, &end);
    if (!strcmp(way, "sem_wait")) {
        pthread_create(&other, NULL, post, &semaphore);
        return sem_wait(&semaphore);
    }
    if (!strcmp(way, "cancelled")) {
        void *result;
        pthread_create(&other, NULL, sleep_for_ever, NULL);
        usleep(2000000);
        pthread_cancel(other);
        pthread_join(other, &result);
        return (result == PTHREAD_CANCELED) + 10 * cleaned_up;
    }
    if (!strcmp(way, "semtimedop")) {
        struct sembuf down = {0, -1, 0};
        int set = semget(IPC_PRIVATE, 1, 0600);
        long result = semtimedop(set, &down, 1, &span);
        int error = errno;
        semctl(set, 0, IPC_RMID);
        errno = error;
        return result;
    }
    if (!strcmp(way, "pause") || !strcmp(way, "sigsuspend")) {
        signal(SIGUSR1, on_alarm);
        pthread_create(&other, NULL, interrupt, &self);
        return way[0] == 'p' ? pause() : sigsuspend(&mask);
    }
    abort();
}

int main(int argc, char **argv)
{
    char *volatile kept = malloc(100); /* block: malloc 100 */
    if (argc > 2) {
        struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
        sigaction(SIGALRM, &action, NULL);
        struct itimerval timer = {{0, 0}, {1, 200000}};
        setitimer(ITIMER_REAL, &timer, NULL);
    }
    double start = now();
    errno = 77;
    long result = wait_as(argv[1]);
    int error = errno;
    double took = now() - start;
    printf("%ld %d %s\n", result, error, took < 1.99 ? "early" : took < 4 ? "whole" : "late");
    return kept == NULL;
}
