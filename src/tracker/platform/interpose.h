/* interpose.h - how a function of the hook list is put in the place of the real one.
 *
 * Linux: the tracker defines the function under its own name, and the loader finds it first; the real one is looked up.
 * macOS: the hook has a name of its own, and dyld redirects everybody else's calls by the tuples of interpose_darwin.c. */
#ifndef CR_PLATFORM_INTERPOSE_H
#define CR_PLATFORM_INTERPOSE_H

#include "platform/platform.h"

/* Whether a signal handler's stack is one that the hook of pthread_create has given to a thread. */
bool cr_os_is_lent_stack(const void *stack);

#define CR_HOOK(type, name, parameters) type CR_HOOK_NAME(name) parameters

/* CR_DECLARE_*: a hook's prototype, from a line of the hook list. CR_REAL_FIELD_*: its member of the table of real functions. */
#if defined(__APPLE__)

#include <malloc/malloc.h>
#include <stdlib.h>

/* Whoever reaches a hook has the function, however new it is. */
#pragma clang diagnostic ignored "-Wunguarded-availability-new"

#define CR_IF_LINUX(...)
#define CR_IF_DARWIN(...) __VA_ARGS__
#define CR_CALL(name) name
#define CR_HOOK_NAME(name) crunch_##name
#define CR_DECLARE_BOTH(type, name, parameters) type crunch_##name parameters;
#define CR_DECLARE_LINUX(type, name, parameters)
#define CR_DECLARE_DARWIN(type, name, parameters) type crunch_##name parameters;
#define CR_REAL_FIELD_BOTH(type, name, parameters)
#define CR_REAL_FIELD_LINUX(type, name, parameters)
#define CR_REAL_FIELD_DARWIN(type, name, parameters)

#else

#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <threads.h>
#include <time.h>

#define CR_IF_LINUX(...) __VA_ARGS__
#define CR_IF_DARWIN(...)
#define CR_CALL(name) cr_real.name
#define CR_HOOK_NAME(name) name
#define CR_DECLARE_BOTH(type, name, parameters) __attribute__((visibility("default"))) type name parameters;
#define CR_DECLARE_LINUX(type, name, parameters) __attribute__((visibility("default"))) type name parameters;
#define CR_DECLARE_DARWIN(type, name, parameters)
#define CR_REAL_FIELD_BOTH(type, name, parameters) type(*name) parameters;
#define CR_REAL_FIELD_LINUX(type, name, parameters) type(*name) parameters;
#define CR_REAL_FIELD_DARWIN(type, name, parameters)

#endif

#endif
