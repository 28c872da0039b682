/* access_linux.c - libcrunch-check on Linux: the real functions by dlsym, and the stand-ins for those that only glibc has. */
#include <dlfcn.h>

#include "access/access.h"

cr_access_function *cr_access;

/* Until the others are found, should the loader come here meanwhile: volatile keeps the compiler from seeing these very functions in
 * the loops. */
static void *plain_memmove(void *to, const void *from, size_t bytes)
{
    volatile char *target = to;
    const volatile char *source = from;
    if ((uintptr_t)to < (uintptr_t)from)
        for (size_t i = 0; i < bytes; i++)
            target[i] = source[i];
    else
        while (bytes-- > 0)
            target[bytes] = source[bytes];
    return to;
}

static void *plain_memset(void *to, int byte, size_t bytes)
{
    for (volatile char *target = to; bytes-- > 0; target++)
        *target = (char)byte;
    return to;
}

struct cr_real cr_real = {.memmove = plain_memmove, .memset = plain_memset};

void cr_access_find(void)
{
    static bool finding;
    if (cr_real.found || finding)
        return;
    finding = true;
    struct cr_real real;
#define FIND_BOTH(name) *(void **)(void *)&real.name = dlsym(RTLD_NEXT, #name);
#define FIND_LINUX(name) FIND_BOTH(name)
#define FIND_DARWIN(name)
#define FIND(system, type, name, parameters) FIND_##system(name)
    CR_ACCESS_LIST(FIND)
    real.found = true;
    cr_real = real;
    finding = false;
}

__attribute__((constructor)) static void construct(void)
{
    cr_access_find();
    cr_access = (cr_access_function *)(uintptr_t)dlsym(RTLD_DEFAULT, "crunch_access");
}

/* ---- glibc's other functions ---- */

CR_HOOK(void *, mempcpy, (void *to, const void *from, size_t bytes))
{
    CALLER();
    COPIES("mempcpy", to, from, bytes);
    return REAL(mempcpy)(to, from, bytes);
}

CR_HOOK(void *, __mempcpy_chk, (void *to, const void *from, size_t bytes, size_t room))
{
    CALLER();
    COPIES("mempcpy", to, from, bytes);
    return REAL(__mempcpy_chk)(to, from, bytes, room);
}

static size_t came(ssize_t result) { return result > 0 ? (size_t)result : 0; }

CR_HOOK(ssize_t, pread64, (int fd, void *to, size_t most, off64_t offset))
{
    CALLER();
    ssize_t result = REAL(pread64)(fd, to, most, offset);
    WRITES("pread", to, came(result));
    return result;
}

CR_HOOK(ssize_t, __read_chk, (int fd, void *to, size_t most, size_t room))
{
    CALLER();
    ssize_t result = REAL(__read_chk)(fd, to, most, room);
    WRITES("read", to, came(result));
    return result;
}

CR_HOOK(ssize_t, __pread_chk, (int fd, void *to, size_t most, off_t offset, size_t room))
{
    CALLER();
    ssize_t result = REAL(__pread_chk)(fd, to, most, offset, room);
    WRITES("pread", to, came(result));
    return result;
}

CR_HOOK(ssize_t, __pread64_chk, (int fd, void *to, size_t most, off64_t offset, size_t room))
{
    CALLER();
    ssize_t result = REAL(__pread64_chk)(fd, to, most, offset, room);
    WRITES("pread", to, came(result));
    return result;
}

CR_HOOK(ssize_t, __recv_chk, (int fd, void *to, size_t most, size_t room, int flags))
{
    CALLER();
    ssize_t result = REAL(__recv_chk)(fd, to, most, room, flags);
    WRITES("recv", to, came(result) < most ? came(result) : most);
    return result;
}

CR_HOOK(ssize_t, __recvfrom_chk,
        (int fd, void *to, size_t most, size_t room, int flags, void *from, unsigned *from_bytes))
{
    CALLER();
    ssize_t result = REAL(__recvfrom_chk)(fd, to, most, room, flags, from, from_bytes);
    WRITES("recvfrom", to, came(result) < most ? came(result) : most);
    return result;
}

CR_HOOK(size_t, __fread_chk, (void *to, size_t room, size_t size, size_t count, FILE *stream))
{
    CALLER();
    size_t result = REAL(__fread_chk)(to, room, size, count, stream);
    WRITES("fread", to, result * size);
    return result;
}

CR_HOOK(char *, __fgets_chk, (char *to, size_t room, int most, FILE *stream))
{
    CALLER();
    char *result = REAL(__fgets_chk)(to, room, most, stream);
    if (result)
        WRITES("fgets", to, strlen(to) + 1);
    return result;
}
