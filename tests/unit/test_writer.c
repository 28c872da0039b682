/* services/writer: whole files, and errors that stick. */
#include "services/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "random.h"
#include "tap.h"

static char folder[] = "/tmp/crunch-unit-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* The file's bytes in a static buffer; its length. */
static size_t contents(const char *path, const char **bytes)
{
    static char buffer[1 << 20];
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(buffer, 1, sizeof buffer, file) : 0;
    if (file)
        fclose(file);
    *bytes = buffer;
    return length;
}

static void test_text(void)
{
    struct cr_writer writer;
    const char *bytes;
    cr_writer_open(&writer, path_of("text"));
    cr_writer_string(&writer, "words\n");
    cr_writer_pair(&writer, "key", UINT64_MAX);
    cr_writer_line(&writer, "name", "value");
    ok(cr_writer_close(&writer) == 0, "a file is written");
    size_t length = contents(path_of("text"), &bytes);
    static const char expected[] = "words\nkey 18446744073709551615\nname value\n";
    ok(length == sizeof expected - 1 && !memcmp(bytes, expected, length), "with what was put into it");
}

static void test_sizes(void)
{
    static char all[1 << 19];
    uint64_t random = 5;
    size_t used = 0;
    struct cr_writer writer;
    cr_writer_open(&writer, path_of("sizes"));
    while (used < 300000) { /* pieces around the buffer's size, too */
        size_t size = (size_t)random_below(&random, random_below(&random, 20) ? 300 : 70000);
        memset(all + used, (int)random_below(&random, 256), size);
        cr_writer_put(&writer, all + used, size);
        used += size;
    }
    memcpy(all, "patched", 7);
    cr_writer_patch(&writer, "patched", 7);
    ok(cr_writer_close(&writer) == 0, "pieces of all sizes are written");
    const char *bytes;
    ok(contents(path_of("sizes"), &bytes) == used && !memcmp(bytes, all, used), "in their order, the start patched");
}

static void test_errors(void)
{
    struct cr_writer writer;
    static char large[200000];
    cr_writer_open(&writer, path_of("missing/file"));
    cr_writer_put(&writer, large, sizeof large);
    cr_writer_patch(&writer, "x", 1);
    ok(cr_writer_close(&writer) == -ENOENT, "a file that cannot be made: the first error stays");
    if (access("/dev/full", W_OK)) {
        skip("there is no /dev/full here");
        return;
    }
    cr_writer_open(&writer, "/dev/full");
    cr_writer_string(&writer, "little");
    ok(cr_writer_close(&writer) == -ENOSPC, "a full disk, noticed at the end");
    cr_writer_open(&writer, "/dev/full");
    cr_writer_put(&writer, large, sizeof large);
    ok(writer.error == -ENOSPC, "a full disk, noticed on the way");
    cr_writer_put(&writer, large, 10);
    ok(cr_writer_close(&writer) == -ENOSPC, "and not forgotten");
}

static void test_memory(void)
{
    const char *bytes;
    static char block[100000];
    memset(block, 'b', sizeof block);
    ok(cr_write_memory(path_of("block"), block, sizeof block) == 0, "memory is written");
    ok(contents(path_of("block"), &bytes) == sizeof block && !memcmp(bytes, block, sizeof block), "as it is");
    ok(cr_write_memory(path_of("empty"), block, 0) == 0 && contents(path_of("empty"), &bytes) == 0,
       "no bytes are an empty file");

    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(pages + page, page, PROT_NONE);
    struct stat status;
    ok(cr_write_memory(path_of("bad"), pages + page, 10) == -EFAULT,
       "memory that cannot be read is an error, no fault");
    ok(stat(path_of("bad"), &status) == -1, "and leaves no file");
    ok(cr_write_memory(path_of("half"), pages, 2 * page) == -EFAULT, "so is memory of which a part can be read");
    ok(stat(path_of("half"), &status) == -1, "which leaves no file either");
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    test_text();
    test_sizes();
    test_errors();
    test_memory();
    const char *const names[] = {"text", "sizes", "block", "empty"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(path_of(names[i]));
    ok(rmdir(folder) == 0, "nothing else was written");
    return tap_done();
}
