/* writer.c - see writer.h. */
#include "services/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fmt.h"
#include "base/banned.h"

#define FILE_MODE 0666

static char buffer[64 * 1024];

static int create(const char *path)
{
    int fd;
    do
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const char *bytes, size_t count)
{
    while (count) {
        ssize_t n = write(fd, bytes, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        bytes += n;
        count -= (size_t)n;
    }
    return 0;
}

static void flush(struct cr_writer *writer)
{
    if (!writer->error)
        writer->error = write_all(writer->fd, buffer, writer->used);
    writer->used = 0;
}

void cr_writer_open(struct cr_writer *writer, const char *path)
{
    int fd = create(path);
    *writer = (struct cr_writer){.fd = fd, .error = fd < 0 ? fd : 0};
}

void cr_writer_put(struct cr_writer *writer, const void *bytes, size_t count)
{
    if (writer->used + count > sizeof buffer)
        flush(writer);
    if (count > sizeof buffer) {
        if (!writer->error)
            writer->error = write_all(writer->fd, bytes, count);
        return;
    }
    memcpy(buffer + writer->used, bytes, count);
    writer->used += count;
}

void cr_writer_string(struct cr_writer *writer, const char *string) { cr_writer_put(writer, string, strlen(string)); }

void cr_writer_line(struct cr_writer *writer, const char *key, const char *value)
{
    cr_writer_string(writer, key);
    cr_writer_string(writer, " ");
    cr_writer_string(writer, value);
    cr_writer_string(writer, "\n");
}

void cr_writer_pair(struct cr_writer *writer, const char *key, uint64_t value)
{
    char digits[32];
    struct cr_text text = CR_TEXT(digits);
    cr_text_decimal(&text, value);
    cr_writer_line(writer, key, digits);
}

void cr_writer_patch(struct cr_writer *writer, const void *bytes, size_t count)
{
    flush(writer);
    if (!writer->error && lseek(writer->fd, 0, SEEK_SET) != 0)
        writer->error = -errno;
    cr_writer_put(writer, bytes, count);
}

int cr_writer_close(struct cr_writer *writer)
{
    flush(writer);
    if (writer->fd >= 0 && close(writer->fd) && !writer->error && errno != EINTR)
        writer->error = -errno;
    return writer->error;
}

int cr_write_at(int fd, uint64_t offset, const void *bytes, size_t count)
{
    return lseek(fd, (off_t)offset, SEEK_SET) < 0 ? -errno : write_all(fd, bytes, count);
}

int cr_write_memory(const char *path, const void *memory, size_t bytes)
{
    int fd = create(path);
    if (fd < 0)
        return fd;
    int error = write_all(fd, memory, bytes);
    if (close(fd) && !error && errno != EINTR)
        error = -errno;
    if (error)
        unlink(path);
    return error;
}
