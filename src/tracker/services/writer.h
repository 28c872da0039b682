/* writer.h - files written through a buffer with plain system calls. Callable from signal handlers, but only by one thread at a
 * time (entry/ sees to that): there is one buffer.
 *
 * Errors stick: after the first one everything is skipped, and cr_writer_close returns it. */
#ifndef CR_SERVICES_WRITER_H
#define CR_SERVICES_WRITER_H

#include <stddef.h>
#include <stdint.h>

struct cr_writer {
    int fd;
    int error; /* 0 or -errno of the first failure */
    size_t used;
};

/* Creates or empties the file. */
void cr_writer_open(struct cr_writer *writer, const char *path);
void cr_writer_put(struct cr_writer *writer, const void *bytes, size_t count);
void cr_writer_string(struct cr_writer *writer, const char *string);
/* "key value\n" */
void cr_writer_pair(struct cr_writer *writer, const char *key, uint64_t value);
void cr_writer_line(struct cr_writer *writer, const char *key, const char *value);
/* Overwrites bytes at the start of the file; the file is complete but for them. */
void cr_writer_patch(struct cr_writer *writer, const void *bytes, size_t count);
/* Flushes and closes. 0 or -errno. */
int cr_writer_close(struct cr_writer *writer);

/* Writes bytes at a place of an open file. 0 or -errno. */
int cr_write_at(int fd, uint64_t offset, const void *bytes, size_t count);

/* Writes memory that may not be readable to a new file: the kernel reads it, so that a bad page is -EFAULT and not a fault.
 * A file that could not be written whole is removed. */
int cr_write_memory(const char *path, const void *memory, size_t bytes);

#endif
