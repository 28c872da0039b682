/* input.c - stand-ins for reading into memory. Asked about what has come in: a size too large for the block is no error while less
 * comes. */
#include "access/access.h"

static size_t came(ssize_t result) { return result > 0 ? (size_t)result : 0; }

CR_HOOK(ssize_t, read, (int fd, void *to, size_t most))
{
    CALLER();
    ssize_t result = REAL(read)(fd, to, most);
    WRITES("read", to, came(result));
    return result;
}

CR_HOOK(ssize_t, pread, (int fd, void *to, size_t most, off_t offset))
{
    CALLER();
    ssize_t result = REAL(pread)(fd, to, most, offset);
    WRITES("pread", to, came(result));
    return result;
}

/* Messages may be longer than what is given back (MSG_TRUNC); no more than the room is written. */
static size_t received(ssize_t result, size_t most) { return came(result) < most ? came(result) : most; }

CR_HOOK(ssize_t, recv, (int fd, void *to, size_t most, int flags))
{
    CALLER();
    ssize_t result = REAL(recv)(fd, to, most, flags);
    WRITES("recv", to, received(result, most));
    return result;
}

CR_HOOK(ssize_t, recvfrom, (int fd, void *to, size_t most, int flags, void *from, unsigned *from_bytes))
{
    CALLER();
    ssize_t result = REAL(recvfrom)(fd, to, most, flags, from, from_bytes);
    WRITES("recvfrom", to, received(result, most));
    return result;
}

CR_HOOK(size_t, fread, (void *to, size_t size, size_t count, FILE *stream))
{
    CALLER();
    size_t result = REAL(fread)(to, size, count, stream);
    WRITES("fread", to, result * size);
    return result;
}

CR_HOOK(char *, fgets, (char *to, int most, FILE *stream))
{
    CALLER();
    char *result = REAL(fgets)(to, most, stream);
    if (result)
        WRITES("fgets", to, strlen(to) + 1); /* at least; what follows a NUL in the line is not seen */
    return result;
}
