/* banned.h - calls that must not be made inside the tracker, because they allocate, lock or format with stdio: including
 * this file last in a .c file makes them an error. Files that must name malloc (the hooks) do not include it. */
#ifndef CR_BASE_BANNED_H
#define CR_BASE_BANNED_H

#pragma GCC poison malloc calloc realloc free strdup strndup
#pragma GCC poison printf fprintf sprintf snprintf vsnprintf puts fputs fopen fclose fwrite
#pragma GCC poison qsort setenv putenv system popen

#endif
