/* access_list.h - every function libcrunch-check stands in for, once: those of the C library that write to memory they are given, or
 * copy from it.
 *
 *   X(system, return type, name, parameters)     system: BOTH, LINUX or DARWIN
 *
 * A stand-in is defined with CR_HOOK under the same name, as the hooks are (docs/adding-a-hook.md). The names in __..._chk are what
 * compilers make of the others with _FORTIFY_SOURCE. */
#ifndef CR_ACCESS_ACCESS_LIST_H
#define CR_ACCESS_ACCESS_LIST_H

#define CR_ACCESS_LIST(X)                                                                                              \
    X(BOTH, void *, memcpy, (void *to, const void *from, size_t bytes))                                                \
    X(BOTH, void *, memmove, (void *to, const void *from, size_t bytes))                                               \
    X(BOTH, void *, memset, (void *to, int byte, size_t bytes))                                                        \
    X(BOTH, char *, strcpy, (char *to, const char *from))                                                              \
    X(BOTH, char *, stpcpy, (char *to, const char *from))                                                              \
    X(BOTH, char *, strcat, (char *to, const char *from))                                                              \
    X(BOTH, char *, strncpy, (char *to, const char *from, size_t most))                                                \
    X(BOTH, char *, stpncpy, (char *to, const char *from, size_t most))                                                \
    X(BOTH, char *, strncat, (char *to, const char *from, size_t most))                                                \
    X(LINUX, void *, mempcpy, (void *to, const void *from, size_t bytes))                                              \
                                                                                                                       \
    X(BOTH, void *, __memcpy_chk, (void *to, const void *from, size_t bytes, size_t room))                             \
    X(BOTH, void *, __memmove_chk, (void *to, const void *from, size_t bytes, size_t room))                            \
    X(BOTH, void *, __memset_chk, (void *to, int byte, size_t bytes, size_t room))                                     \
    X(BOTH, char *, __strcpy_chk, (char *to, const char *from, size_t room))                                           \
    X(BOTH, char *, __stpcpy_chk, (char *to, const char *from, size_t room))                                           \
    X(BOTH, char *, __strcat_chk, (char *to, const char *from, size_t room))                                           \
    X(BOTH, char *, __strncpy_chk, (char *to, const char *from, size_t most, size_t room))                             \
    X(BOTH, char *, __stpncpy_chk, (char *to, const char *from, size_t most, size_t room))                             \
    X(BOTH, char *, __strncat_chk, (char *to, const char *from, size_t most, size_t room))                             \
    X(LINUX, void *, __mempcpy_chk, (void *to, const void *from, size_t bytes, size_t room))                           \
                                                                                                                       \
    X(BOTH, int, sprintf, (char *to, const char *format, ...))                                                         \
    X(BOTH, int, snprintf, (char *to, size_t most, const char *format, ...))                                           \
    X(BOTH, int, vsprintf, (char *to, const char *format, va_list values))                                             \
    X(BOTH, int, vsnprintf, (char *to, size_t most, const char *format, va_list values))                               \
    X(BOTH, int, __sprintf_chk, (char *to, int flags, size_t room, const char *format, ...))                           \
    X(BOTH, int, __snprintf_chk, (char *to, size_t most, int flags, size_t room, const char *format, ...))             \
    X(BOTH, int, __vsprintf_chk, (char *to, int flags, size_t room, const char *format, va_list values))               \
    X(BOTH, int, __vsnprintf_chk, (char *to, size_t most, int flags, size_t room, const char *format, va_list values)) \
                                                                                                                       \
    X(BOTH, ssize_t, read, (int fd, void *to, size_t most))                                                            \
    X(BOTH, ssize_t, pread, (int fd, void *to, size_t most, off_t offset))                                             \
    /* not by their header, where addresses are of a type of glibc's own */                                            \
    X(BOTH, ssize_t, recv, (int fd, void *to, size_t most, int flags))                                                 \
    X(BOTH, ssize_t, recvfrom, (int fd, void *to, size_t most, int flags, void *from, unsigned *from_bytes))           \
    X(BOTH, size_t, fread, (void *to, size_t size, size_t count, FILE *stream))                                        \
    X(BOTH, char *, fgets, (char *to, int most, FILE *stream))                                                         \
    X(LINUX, ssize_t, pread64, (int fd, void *to, size_t most, off64_t offset))                                        \
    X(LINUX, ssize_t, __read_chk, (int fd, void *to, size_t most, size_t room))                                        \
    X(LINUX, ssize_t, __pread_chk, (int fd, void *to, size_t most, off_t offset, size_t room))                         \
    X(LINUX, ssize_t, __pread64_chk, (int fd, void *to, size_t most, off64_t offset, size_t room))                     \
    X(LINUX, ssize_t, __recv_chk, (int fd, void *to, size_t most, size_t room, int flags))                             \
    X(LINUX, ssize_t, __recvfrom_chk,                                                                                  \
      (int fd, void *to, size_t most, size_t room, int flags, void *from, unsigned *from_bytes))                       \
    X(LINUX, size_t, __fread_chk, (void *to, size_t room, size_t size, size_t count, FILE *stream))                    \
    X(LINUX, char *, __fgets_chk, (char *to, size_t room, int most, FILE *stream))

#endif
