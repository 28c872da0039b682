/* system.c - stands for libSystem where the tracker's code for macOS is run on Linux (tests/darwin/test_tracker.py): functions whose arguments or
 * structures differ, by the names fake_<function> that objcopy gives the calls, and those that Linux has not. x86-64, and but for snapshots arm64. Structures are
 * those of src/tracker/platform/darwin_sdk. Memory, threads and files are really there. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <asm/prctl.h>
#endif

int *__error(void) { return &errno; }

/* ---- the program ---- */

static int arguments;
static char **argument, **environment;
void *fake_streams[64], *__stdinp = fake_streams, *__stdoutp = fake_streams, *__stderrp = fake_streams;

int *_NSGetArgc(void) { return &arguments; }
char ***_NSGetArgv(void) { return &argument; }
char ***_NSGetEnviron(void) { return &environment; }
int _NSGetExecutablePath(char *path, uint32_t *bytes) { return path[0] = '\0', (int)*bytes; }

int proc_pidpath(int pid, void *path, uint32_t bytes)
{
    (void)pid;
    ssize_t length = readlink("/proc/self/exe", path, bytes - 1);
    if (length > 0)
        ((char *)path)[length] = '\0';
    return (int)length;
}

/* ---- files ---- */

int fake_open(const char *path, int flags, ...)
{
    static const int names[][2] = {
        {0x200, O_CREAT}, {0x400, O_TRUNC}, {0x800, O_EXCL}, {0x1000000, O_CLOEXEC}, {0x8, O_APPEND}};
    int kind = flags & 3;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        kind |= flags & names[i][0] ? names[i][1] : 0;
    va_list more;
    va_start(more, flags);
    int fd = open(path, kind, va_arg(more, int));
    va_end(more);
    return fd;
}

/* F_PREALLOCATE: from the end of what is allocated. */
int fake_fcntl(int fd, int command, ...)
{
    struct {
        unsigned flags;
        int mode;
        long long offset, length, allocated;
    } * space;
    va_list more;
    va_start(more, command);
    space = va_arg(more, void *);
    va_end(more);
    struct stat facts;
    if (command != 42 || fstat(fd, &facts))
        abort();
    return fallocate(fd, FALLOC_FL_KEEP_SIZE, facts.st_size, space->length);
}

#if defined(__x86_64__)
#define INODE64 "$INODE64"
#define CPU 0x01000007
#else
#define INODE64 ""
#define CPU 0x0100000c
#endif

struct darwin_stat {
    int device;
    uint16_t mode, links;
    uint64_t inode;
    uint32_t uid, gid, rdev;
    struct timespec times[4];
    long long size, blocks;
    uint32_t rest[8];
};

static int convert(int failed, const struct stat *from, struct darwin_stat *to)
{
    *to = (struct darwin_stat){
        (int)from->st_dev, (uint16_t)from->st_mode, 1,  from->st_ino, from->st_uid, from->st_gid, 0, {{0, 0}},
        from->st_size,     from->st_blocks,         {0}};
    return failed;
}

int fake_stat(const char *path, struct darwin_stat *to) __asm__("_stat" INODE64);
int fake_stat(const char *path, struct darwin_stat *to)
{
    struct stat facts = {0};
    return convert(stat(path, &facts), &facts, to);
}

int fake_fstat(int fd, struct darwin_stat *to) __asm__("_fstat" INODE64);
int fake_fstat(int fd, struct darwin_stat *to)
{
    struct stat facts = {0};
    return convert(fstat(fd, &facts), &facts, to);
}

/* ---- memory ---- */

void *fake_mmap(void *at, size_t bytes, int protection, int flags, int fd, long long offset)
{
    int kind = (flags & 0x13) | (flags & 0x40 ? MAP_NORESERVE : 0) | (flags & 0x1000 ? MAP_ANONYMOUS : 0);
    return mmap(at, bytes, protection, kind, fd, offset);
}

long fake_sysconf(int name) { return name == 29 ? sysconf(_SC_PAGESIZE) : -1; }

struct region {
    unsigned long start, end, offset;
    char access[8], path[256];
};

/* The first mapping that ends behind an address, read anew, without the allocator. */
static bool find_region(unsigned long address, struct region *region)
{
    static char text[1 << 20];
    size_t bytes = 0;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (ssize_t n; fd >= 0 && (n = read(fd, text + bytes, sizeof text - 1 - bytes)) > 0;)
        bytes += (size_t)n;
    close(fd);
    text[bytes] = '\0';
    for (char *line = text, *next; *line && (next = strchr(line, '\n')); line = next + 1) {
        *next = '\0';
        region->path[0] = '\0';
        sscanf(line, "%lx-%lx %7s %lx %*s %*s %255s", &region->start, &region->end, region->access, &region->offset,
               region->path);
        if (region->end > address && strcmp(region->path, "[vsyscall]") != 0)
            return true;
    }
    return false;
}

struct region_info {
    int protection, maximum;
    unsigned inheritance, offset_low, offset_high, tag, pages[4], references;
    uint16_t shadow;
    uint8_t pager, share;
    int submap;
    uint32_t rest[9];
};

/* Libraries stand for the shared cache, which is a map of its own. */
int vm_region_recurse_64(unsigned task, unsigned long *address, unsigned long *bytes, unsigned *depth,
                         struct region_info *info, unsigned *count)
{
    struct region region;
    (void)task;
    if (!find_region(*address, &region))
        return 1;
    bool cached = strstr(region.path, ".so");
    memset(info, 0, *count * 4);
    info->submap = cached && *depth == 0;
    *depth = info->submap ? 0 : cached;
    *address = region.start;
    *bytes = region.end - region.start;
    info->protection = (region.access[0] == 'r') | (region.access[1] == 'w') << 1 | (region.access[2] == 'x') << 2;
    info->offset_low = (unsigned)region.offset;
    info->share = region.access[3] == 's' ? 5 : 2;
    info->pager = region.path[0] == '/';
    info->tag = strcmp(region.path, "[stack]") ? 0 : 30;
    return 0;
}

int proc_regionfilename(int pid, uint64_t address, void *path, uint32_t bytes)
{
    struct region region;
    (void)pid;
    if (!find_region(address, &region) || strlen(region.path) >= bytes)
        return 0;
    return (int)strlen(strcpy(path, region.path));
}

/* By a pipe, which says where memory is not there. No more than a page is asked for. */
int vm_read_overwrite(unsigned task, unsigned long from, unsigned long bytes, unsigned long to, unsigned long *got)
{
    int saved = errno, ends[2];
    (void)task;
    *got = bytes;
    if (pipe(ends))
        abort();
    bool whole =
        write(ends[1], (void *)from, bytes) == (ssize_t)bytes && read(ends[0], (void *)to, bytes) == (ssize_t)bytes;
    close(ends[0]);
    close(ends[1]);
    errno = saved;
    return whole ? 0 : 1;
}

int vm_map_page_query(unsigned task, unsigned long page, int *disposition, int *references)
{
    unsigned char here = 0;
    (void)task;
    *references = 1;
    *disposition = !mincore((void *)page, 4096, &here) && here & 1;
    return 0;
}

int vm_deallocate(unsigned task, unsigned long at, unsigned long bytes)
{
    return (void)task, munmap((void *)at, bytes);
}

/* ---- time, limits, names ---- */

uint64_t mach_absolute_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t mach_approximate_time(void) { return mach_absolute_time(); }
int mach_timebase_info(uint32_t *base) { return base[0] = base[1] = 1, 0; }
int fake_clock_gettime(int clock, struct timespec *now)
{
    return clock_gettime(clock ? CLOCK_MONOTONIC : CLOCK_REALTIME, now);
}

int fake_getrlimit(int which, uint64_t *limit)
{
    (void)which;
    limit[0] = limit[1] = ((uint64_t)1 << 63) - 1;
    return 0;
}

int fake_uname(char (*facts)[256])
{
    struct utsname name;
    uname(&name);
    strcpy(facts[0], "Darwin"), strcpy(facts[2], "24.0"), strcpy(facts[4], name.machine);
    return 0;
}

/* ---- images: the program and this library, as dyld would have mapped them ---- */

extern const char __ehdr_start[] __attribute__((visibility("hidden")));

static struct image {
    const char *start, *end, *uuid; /* 16 bytes, its build-id, too */
    char path[256];
} images[2] = {{NULL, NULL, "crunch runs here", ""}, {NULL, NULL, "crunch is inside", ""}};

struct dl_info {
    const char *path;
    const void *base;
    const char *name;
    const void *address;
};

uint32_t _dyld_image_count(void) { return 2; }

int fake_dladdr(const void *address, struct dl_info *info)
{
    for (size_t i = 0; i < 2 && address != (void *)_dyld_image_count; i++) /* this library is not the loader */
        if ((const char *)address >= images[i].start && (const char *)address < images[i].end)
            return *info = (struct dl_info){images[i].path, images[i].start, NULL, NULL}, 1;
    return 0;
}

static void find_image(struct image *image, const void *inside)
{
    struct region region;
    if (!find_region((unsigned long)inside, &region))
        abort();
    image->start = (const char *)region.start;
    strcpy(image->path, region.path);
    do
        image->end = (const char *)region.end;
    while (find_region(region.end, &region) && region.start == (unsigned long)image->end &&
           (!region.path[0] || !strcmp(region.path, image->path)));
}

/* A header takes the place of ELF's, which nobody reads any more. */
static void make_header(const struct image *image)
{
    struct {
        uint32_t head[8], segment, segment_bytes;
        char name[16];
        uint64_t at, bytes, file[2];
        int maximum, protection;
        uint32_t rest[2], uuid, uuid_bytes;
        char id[16];
    } header = {{0xfeedfacf, CPU, 0, 2, 2, 72 + 24, 0, 0},
                0x19,
                72,
                "__TEXT",
                0,
                (uint64_t)(image->end - image->start),
                {0, 0},
                7,
                5,
                {0, 0},
                0x1b,
                24,
                {0}};
    memcpy(header.id, image->uuid, 16);
    mprotect((void *)(uintptr_t)image->start, 4096, PROT_READ | PROT_WRITE | PROT_EXEC); /* code may lie there, too */
    memcpy((void *)(uintptr_t)image->start, &header, sizeof header);
}

void _dyld_register_func_for_add_image(void (*added)(const void *, intptr_t))
{
    for (size_t i = 0; i < 2; i++)
        added(images[i].start, (intptr_t)images[i].start);
}

void _dyld_register_func_for_remove_image(void (*removed)(const void *, intptr_t)) { (void)removed; }

__attribute__((constructor(101))) static void begin(int argc, char **argv, char **envp)
{
#if defined(__x86_64__)
    static void *own[32]; /* a thread's data, of which %gs tells on macOS; those of other threads have the same here */
    syscall(SYS_arch_prctl, ARCH_SET_GS, own);
#endif
    arguments = argc, argument = argv, environment = envp;
    find_image(&images[0], (void *)(getauxval(AT_PHDR) & ~4095ul));
    find_image(&images[1], __ehdr_start);
    make_header(&images[0]);
    make_header(&images[1]);
}
