/* memory.c - stand-ins for mem* and str*. What is read is asked about as well as what is written; how much that is of strings is known
 * by their length, which the real function finds once more. */
#include "access/access.h"

/* Programs that were linked long ago may have overlapping ranges in memcpy: glibc gave them memmove under its name. */
CR_HOOK(void *, memcpy, (void *to, const void *from, size_t bytes))
{
    CALLER();
    COPIES("memcpy", to, from, bytes);
    return REAL(memmove)(to, from, bytes);
}

CR_HOOK(void *, memmove, (void *to, const void *from, size_t bytes))
{
    CALLER();
    COPIES("memmove", to, from, bytes);
    return REAL(memmove)(to, from, bytes);
}

CR_HOOK(void *, memset, (void *to, int byte, size_t bytes))
{
    CALLER();
    WRITES("memset", to, bytes);
    return REAL(memset)(to, byte, bytes);
}

CR_HOOK(void *, __memcpy_chk, (void *to, const void *from, size_t bytes, size_t room))
{
    CALLER();
    COPIES("memcpy", to, from, bytes);
    return REAL(__memmove_chk)(to, from, bytes, room);
}

CR_HOOK(void *, __memmove_chk, (void *to, const void *from, size_t bytes, size_t room))
{
    CALLER();
    COPIES("memmove", to, from, bytes);
    return REAL(__memmove_chk)(to, from, bytes, room);
}

CR_HOOK(void *, __memset_chk, (void *to, int byte, size_t bytes, size_t room))
{
    CALLER();
    WRITES("memset", to, bytes);
    return REAL(__memset_chk)(to, byte, bytes, room);
}

/* ---- strings ---- */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* The bytes that a copy of at most `most` characters reads, its end included if it comes to it. */
static size_t read_of(const char *from, size_t most)
{
    size_t length = strnlen(from, most);
    return least(length + 1, most);
}

CR_HOOK(char *, strcpy, (char *to, const char *from))
{
    CALLER();
    size_t bytes = strlen(from) + 1;
    COPIES("strcpy", to, from, bytes);
    return REAL(strcpy)(to, from);
}

CR_HOOK(char *, stpcpy, (char *to, const char *from))
{
    CALLER();
    size_t bytes = strlen(from) + 1;
    COPIES("stpcpy", to, from, bytes);
    return REAL(stpcpy)(to, from);
}

CR_HOOK(char *, strcat, (char *to, const char *from))
{
    CALLER();
    size_t bytes = strlen(from) + 1;
    WRITES("strcat", to, strlen(to) + bytes);
    READS("strcat", from, bytes);
    return REAL(strcat)(to, from);
}

CR_HOOK(char *, strncpy, (char *to, const char *from, size_t most))
{
    CALLER();
    WRITES("strncpy", to, most); /* the rest becomes zeros */
    READS("strncpy", from, read_of(from, most));
    return REAL(strncpy)(to, from, most);
}

CR_HOOK(char *, stpncpy, (char *to, const char *from, size_t most))
{
    CALLER();
    WRITES("stpncpy", to, most);
    READS("stpncpy", from, read_of(from, most));
    return REAL(stpncpy)(to, from, most);
}

CR_HOOK(char *, strncat, (char *to, const char *from, size_t most))
{
    CALLER();
    WRITES("strncat", to, strlen(to) + strnlen(from, most) + 1);
    READS("strncat", from, read_of(from, most));
    return REAL(strncat)(to, from, most);
}

CR_HOOK(char *, __strcpy_chk, (char *to, const char *from, size_t room))
{
    CALLER();
    size_t bytes = strlen(from) + 1;
    COPIES("strcpy", to, from, bytes);
    return REAL(__strcpy_chk)(to, from, room);
}

CR_HOOK(char *, __stpcpy_chk, (char *to, const char *from, size_t room))
{
    CALLER();
    size_t bytes = strlen(from) + 1;
    COPIES("stpcpy", to, from, bytes);
    return REAL(__stpcpy_chk)(to, from, room);
}

CR_HOOK(char *, __strcat_chk, (char *to, const char *from, size_t room))
{
    CALLER();
    size_t bytes = strlen(from) + 1;
    WRITES("strcat", to, strlen(to) + bytes);
    READS("strcat", from, bytes);
    return REAL(__strcat_chk)(to, from, room);
}

CR_HOOK(char *, __strncpy_chk, (char *to, const char *from, size_t most, size_t room))
{
    CALLER();
    WRITES("strncpy", to, most);
    READS("strncpy", from, read_of(from, most));
    return REAL(__strncpy_chk)(to, from, most, room);
}

CR_HOOK(char *, __stpncpy_chk, (char *to, const char *from, size_t most, size_t room))
{
    CALLER();
    WRITES("stpncpy", to, most);
    READS("stpncpy", from, read_of(from, most));
    return REAL(__stpncpy_chk)(to, from, most, room);
}

CR_HOOK(char *, __strncat_chk, (char *to, const char *from, size_t most, size_t room))
{
    CALLER();
    WRITES("strncat", to, strlen(to) + strnlen(from, most) + 1);
    READS("strncat", from, read_of(from, most));
    return REAL(__strncat_chk)(to, from, most, room);
}
