/* mappings_linux.c - what is mapped, from /proc, and reading what may not be there, on Linux. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "platform/platform.h"
#include "base/banned.h"

#define LINE_BYTES 4400 /* a path has at most 4,096 */

struct lines {
    char text[2 * LINE_BYTES];
    size_t held; /* of text */
};

static uint64_t number(const char **at, unsigned base)
{
    uint64_t value = 0;
    for (;; (*at)++) {
        unsigned digit = (unsigned)(unsigned char)**at;
        digit = digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : digit - '0';
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

static bool begins(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

/* What a path says: files under /dev are devices but for memory that has a name there. */
static unsigned kind_of(const char *name)
{
    if (!strcmp(name, "[heap]"))
        return CR_OS_HEAP;
    if (!strcmp(name, "[stack]"))
        return CR_OS_STACK;
    if (begins(name, "[v") || begins(name, "[uprobes]")) /* [vvar], [vdso], [vsyscall]: the kernel's */
        return CR_OS_DEVICE;
    if (name[0] != '/')
        return 0;
    bool memory = begins(name, "/dev/shm/") || begins(name, "/dev/zero") || begins(name, "/dev/hugepages/");
    return CR_OS_FILE | (begins(name, "/dev/") && !memory ? CR_OS_DEVICE : 0);
}

/* "start-end rwxp offset device inode   name" */
static struct cr_os_mapping parse(const char *line)
{
    struct cr_os_mapping mapping = {0};
    mapping.start = (uintptr_t)number(&line, 16);
    line++;
    mapping.end = (uintptr_t)number(&line, 16);
    if (*line == ' ' && strlen(line) > 5) {
        mapping.flags = (line[1] == 'r' ? CR_OS_READ : 0u) | (line[2] == 'w' ? CR_OS_WRITE : 0u) |
                        (line[3] == 'x' ? CR_OS_EXECUTE : 0u) | (line[4] == 's' ? CR_OS_SHARED : 0u);
        line += 6;
    }
    mapping.offset = number(&line, 16);
    for (int field = 0; field < 2; field++) { /* device, inode */
        line += strspn(line, " ");
        line += strcspn(line, " ");
    }
    mapping.name = line + strspn(line, " ");
    mapping.flags |= kind_of(mapping.name);
    return mapping;
}

/* Visits the whole lines that are held and keeps the rest. False: the visitor has had enough. */
static bool visit_lines(struct lines *lines, bool (*visit)(void *, const struct cr_os_mapping *), void *context)
{
    char *line = lines->text, *end;
    while ((end = memchr(line, '\n', lines->held - (size_t)(line - lines->text)))) {
        *end = '\0';
        struct cr_os_mapping mapping = parse(line);
        if (!visit(context, &mapping))
            return false;
        line = end + 1;
    }
    lines->held -= (size_t)(line - lines->text);
    memmove(lines->text, line, lines->held);
    return true;
}

int cr_os_each_mapping(bool (*visit)(void *context, const struct cr_os_mapping *mapping), void *context)
{
    /* Not /proc/self: it is the main thread, which may have ended while others go on. */
    int fd = open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct lines lines;
    lines.held = 0;
    int error = 0;
    for (;;) {
        ssize_t n = read(fd, lines.text + lines.held, sizeof lines.text - lines.held);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            error = n < 0 ? -errno : 0;
            break;
        }
        lines.held += (size_t)n;
        if (!visit_lines(&lines, visit, context))
            break;
    }
    close(fd);
    return error;
}

/* What is mapped is copied as far as it can be read, also the part before a page that cannot. */
size_t cr_os_read_memory(uintptr_t from, void *to, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        struct iovec local = {(char *)to + done, bytes - done}, remote = {(void *)(from + done), bytes - done};
        long n = syscall(SYS_process_vm_readv, (long)getpid(), &local, 1L, &remote, 1L, 0L);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}
