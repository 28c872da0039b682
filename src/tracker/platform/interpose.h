/* interpose.h - how a function of the hook list is put in the place of the real one.
 *
 * Linux: the tracker defines the function under its own name, and the loader finds it first; the real one is looked up.
 * macOS: the hook has a name of its own, and dyld redirects everybody else's calls by the tuples of interpose_darwin.c. */
#ifndef CR_PLATFORM_INTERPOSE_H
#define CR_PLATFORM_INTERPOSE_H

#include "platform/platform.h"

#if defined(__APPLE__)

#include <malloc/malloc.h>

#define CR_IF_BOTH(...) __VA_ARGS__
#define CR_IF_LINUX(...)
#define CR_IF_DARWIN(...) __VA_ARGS__
#define CR_HOOK(type, name, parameters)                                                                                \
    type crunch_##name parameters;                                                                                     \
    type crunch_##name parameters
#define CR_CALL(name) name
#define CR_HOOK_NAME(name) crunch_##name
#define CR_REAL_FIELD_BOTH(type, name, parameters)
#define CR_REAL_FIELD_DARWIN(type, name, parameters)

#else

#define CR_IF_BOTH(...) __VA_ARGS__
#define CR_IF_LINUX(...) __VA_ARGS__
#define CR_IF_DARWIN(...)
#define CR_HOOK(type, name, parameters)                                                                                \
    __attribute__((visibility("default"))) type name parameters;                                                       \
    type name parameters
#define CR_CALL(name) cr_real.name
#define CR_HOOK_NAME(name) name
#define CR_REAL_FIELD_BOTH(type, name, parameters) type(*name) parameters;
#define CR_REAL_FIELD_LINUX(type, name, parameters) type(*name) parameters;
#define CR_REAL_FIELD_DARWIN(type, name, parameters)

#endif
#if defined(__APPLE__)
#define CR_REAL_FIELD_LINUX(type, name, parameters)
#endif

#endif
