/* exits.c - the ends of a process image that no exit handler sees: _exit and the exec family. */
#include "entry/hooks.h"

#include <stdarg.h>
#include <string.h>

CR_HOOK(void, _exit, (int status))
{
    cr_lifecycle_ends(status);
    cr_os_exit_now(status);
}

CR_HOOK(void, _Exit, (int status))
{
    cr_lifecycle_ends(status);
    cr_os_exit_now(status);
}

CR_HOOK(int, execv, (const char *path, char *const argv[])) { CR_EXEC(CR_REAL(execv)(path, argv)); }
CR_HOOK(int, execvp, (const char *file, char *const argv[])) { CR_EXEC(CR_REAL(execvp)(file, argv)); }
CR_HOOK(int, execve, (const char *path, char *const argv[], char *const envp[]))
{
    CR_EXEC(CR_REAL(execve)(path, argv, envp));
}

/* The arguments of execl as an array on the stack: exec may be called in a vfork child, where malloc must not. Leaves `list`
 * behind the NULL. */
#define COLLECT(argv, first, list)                                                                                     \
    va_list counting_;                                                                                                 \
    va_copy(counting_, list);                                                                                          \
    size_t count_ = 1;                                                                                                 \
    while (va_arg(counting_, char *))                                                                                  \
        count_++;                                                                                                      \
    va_end(counting_);                                                                                                 \
    char *argv[count_ + 1];                                                                                            \
    memcpy(&argv[0], &(first), sizeof argv[0]);                                                                        \
    for (size_t i_ = 1; i_ <= count_; i_++)                                                                            \
    argv[i_] = va_arg(list, char *)

CR_HOOK(int, execl, (const char *path, const char *arg, ...))
{
    va_list list;
    va_start(list, arg);
    COLLECT(argv, arg, list);
    va_end(list);
    CR_EXEC(CR_REAL(execv)(path, argv));
}

CR_HOOK(int, execlp, (const char *file, const char *arg, ...))
{
    va_list list;
    va_start(list, arg);
    COLLECT(argv, arg, list);
    va_end(list);
    CR_EXEC(CR_REAL(execvp)(file, argv));
}

CR_HOOK(int, execle, (const char *path, const char *arg, ...))
{
    va_list list;
    va_start(list, arg);
    COLLECT(argv, arg, list);
    char *const *envp = va_arg(list, char *const *);
    va_end(list);
    CR_EXEC(CR_REAL(execve)(path, argv, envp));
}
