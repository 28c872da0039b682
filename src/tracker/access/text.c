/* text.c - stand-ins for printf into memory. How much that is, only the real function knows: it is asked about what it has written. */
#include "access/access.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* macOS: programs call vsprintf all the same */

/* Of the characters that would have been written with room for all, those that were, with the end; 0: none. */
static size_t written(int result, size_t most)
{
    size_t all = result < 0 ? 0 : (size_t)result + 1;
    return all < most ? all : most;
}

CR_HOOK(int, vsprintf, (char *to, const char *format, va_list values))
{
    CALLER();
    int result = REAL(vsprintf)(to, format, values);
    WRITES("vsprintf", to, written(result, SIZE_MAX));
    return result;
}

CR_HOOK(int, vsnprintf, (char *to, size_t most, const char *format, va_list values))
{
    CALLER();
    int result = REAL(vsnprintf)(to, most, format, values);
    WRITES("vsnprintf", to, written(result, most));
    return result;
}

CR_HOOK(int, sprintf, (char *to, const char *format, ...))
{
    CALLER();
    va_list values;
    va_start(values, format);
    int result = REAL(vsprintf)(to, format, values);
    va_end(values);
    WRITES("sprintf", to, written(result, SIZE_MAX));
    return result;
}

CR_HOOK(int, snprintf, (char *to, size_t most, const char *format, ...))
{
    CALLER();
    va_list values;
    va_start(values, format);
    int result = REAL(vsnprintf)(to, most, format, values);
    va_end(values);
    WRITES("snprintf", to, written(result, most));
    return result;
}

CR_HOOK(int, __vsprintf_chk, (char *to, int flags, size_t room, const char *format, va_list values))
{
    CALLER();
    int result = REAL(__vsprintf_chk)(to, flags, room, format, values);
    WRITES("vsprintf", to, written(result, SIZE_MAX));
    return result;
}

CR_HOOK(int, __vsnprintf_chk, (char *to, size_t most, int flags, size_t room, const char *format, va_list values))
{
    CALLER();
    int result = REAL(__vsnprintf_chk)(to, most, flags, room, format, values);
    WRITES("vsnprintf", to, written(result, most));
    return result;
}

CR_HOOK(int, __sprintf_chk, (char *to, int flags, size_t room, const char *format, ...))
{
    CALLER();
    va_list values;
    va_start(values, format);
    int result = REAL(__vsprintf_chk)(to, flags, room, format, values);
    va_end(values);
    WRITES("sprintf", to, written(result, SIZE_MAX));
    return result;
}

CR_HOOK(int, __snprintf_chk, (char *to, size_t most, int flags, size_t room, const char *format, ...))
{
    CALLER();
    va_list values;
    va_start(values, format);
    int result = REAL(__vsnprintf_chk)(to, most, flags, room, format, values);
    va_end(values);
    WRITES("snprintf", to, written(result, most));
    return result;
}
