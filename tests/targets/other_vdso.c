/* With VDSO: what stands for the kernel's vdso, linked for an address far from where it lies. Else, preloaded before the tracker: getauxval
 * says that the file OTHER_VDSO is it. */
#include <time.h>

#ifdef VDSO

int __vdso_clock_gettime(clockid_t clock, struct timespec *time);
int __vdso_clock_gettime(clockid_t clock, struct timespec *time)
{
    (void)clock;
    time->tv_sec = 1000000;
    time->tv_nsec = 0;
    return 0;
}

#else

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

unsigned long getauxval(unsigned long type)
{
    static unsigned long (*real)(unsigned long);
    static void *file;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getauxval");
    if (type != AT_SYSINFO_EHDR || !getenv("OTHER_VDSO"))
        return real(type);
    if (!file) {
        int fd = open(getenv("OTHER_VDSO"), O_RDONLY);
        file = mmap(NULL, (size_t)lseek(fd, 0, SEEK_END), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
        close(fd);
        if (write(2, "asked\n", 6) != 6)
            _exit(99);
    }
    return (unsigned long)file;
}

#endif
