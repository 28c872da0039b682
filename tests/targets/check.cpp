// What --check and --guard find. check CASE: a defect, or with a second argument its twin without; `line: CASE` stands where the wrong
// access (or the call that does it) is; "all" is every case; `found: CASE` where it is noticed, if that is another place.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <pthread.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/crunch.h"

static int good;
#define OFF(wrong, right) (good ? (right) : (wrong))

static void overrun()
{
    char *block = (char *)malloc(24);
    block[OFF(24, 23)] = 'x';
    free(block); // found: overrun
}

static void far_overrun()
{
    char *block = (char *)malloc(24);
    block[OFF(32, 23)] = 'x'; // line: far_overrun
    free(block);
}

static void underrun()
{
    char *block = (char *)malloc(24);
    block[OFF(-1, 0)] = 'x'; // line: underrun
    free(block);             // found: underrun
}

static void overrun_realloc()
{
    char *block = (char *)malloc(24);
    block[OFF(24, 23)] = 'x';
    free(realloc(block, 100)); // found: overrun_realloc
}

static char *kept;

static void overrun_exit()
{
    kept = (char *)calloc(3, 7);
    kept[OFF(21, 20)] = 'x';
}

static void write_after_free()
{
    char *block = (char *)malloc(40);
    if (!good)
        free(block);
    block[5] = 'x'; // line: write_after_free
    if (good)
        free(block);
}

static void read_after_free()
{
    volatile char *block = (char *)malloc(40);
    if (!good)
        free((void *)block);
    char read = block[5]; // line: read_after_free
    (void)read;
    if (good)
        free((void *)block);
}

static void cxx()
{
    int *many = new int[10];
    many[OFF(10, 9)] = 1;
    delete[] many; // found: cxx
    std::string *text = new std::string("long enough to lie on the heap, all of it");
    delete text;
}

static void aligned()
{
    void *block;
    if (posix_memalign(&block, 512, 700) || (size_t)block % 512)
        exit(9);
    ((char *)block)[OFF(700, 699)] = 'x';
    free(block); // found: aligned
}

static void *in_thread(void *)
{
    overrun(); // found: threads
    return NULL;
}

static void threads()
{
    pthread_t thread[4];
    for (pthread_t &one : thread)
        pthread_create(&one, NULL, in_thread, NULL);
    for (pthread_t &one : thread)
        pthread_join(one, NULL);
}

static void asked()
{
    char *block = (char *)malloc(24);
    if (crunch_check() != 0)
        exit(9);
    block[OFF(24, 23)] = 'x';
    printf("added: %zu\n", crunch_check());
    free(block);
}

static void usable()
{
    char *block = (char *)malloc(33);
    if (malloc_usable_size(block) < 33 || (!good && malloc_usable_size(block) != 33))
        exit(9);
    memset(block, 1, malloc_usable_size(block));
    free(block);
}

// Blocks whose ways cross glibc: made there and freed here, and the other way round.
static void glibc()
{
    char *line = (char *)malloc(3), *text;
    size_t size = 3;
    FILE *file = tmpfile();
    fprintf(file, "%0200d\n%0300d\n", 1, 2);
    rewind(file);
    if (getline(&line, &size, file) != 201 || getline(&line, &size, file) != 301)
        exit(9);
    free(line);
    fclose(file);
    if (asprintf(&text, "%d", 12345) != 5)
        exit(9);
    free(text);
    free(strdup("text"));
    char *memory = NULL;
    FILE *stream = open_memstream(&memory, &size);
    for (int i = 0; i < 1000; i++)
        fprintf(stream, "%d ", i);
    fclose(stream);
    free(memory);
    free(realpath("/tmp", NULL));
    setvbuf(stdout, (char *)malloc(500), _IOFBF, 500);
    printf("%0600d\n", 7);
}

static void resize()
{
    char *block = (char *)malloc(1);
    for (size_t size = 1; size < 3000; size = size * 3 / 2 + 1) {
        memset(block, (int)size, size);
        block = (char *)realloc(block, size * 2);
        for (size_t i = 0; i < size; i++)
            if (block[i] != (char)size)
                exit(9);
    }
    if (realloc(block, 0))
        exit(9);
    if (realloc(malloc(10), (size_t)-1 / 4))
        exit(9);
}

// Functions that are given memory. The defect is one byte too many, written or read.

static void by_memcpy()
{
    char *block = (char *)malloc(20);
    memcpy(block + 10, "0123456789", OFF(11, 10)); // line: by_memcpy
    free(block);
}

static void by_memcpy_source()
{
    char *block = (char *)calloc(1, 20), copy[40];
    memcpy(copy, block, OFF(21, 20)); // line: by_memcpy_source
    free(block);
}

static void by_memset_freed()
{
    char *block = (char *)malloc(2000);
    if (!good)
        free(block);
    memset(block + 1500, 0, 100); // line: by_memset_freed
    if (good)
        free(block);
}

static void by_strcpy()
{
    char *block = (char *)malloc(10);
    strcpy(block, OFF("0123456789", "012345678")); // line: by_strcpy
    free(block);
}

static void by_strcat()
{
    char *block = (char *)malloc(10);
    strcpy(block, "01234");
    strcat(block, OFF("56789", "5678")); // line: by_strcat
    free(block);
}

static void by_strncpy()
{
    char *block = (char *)malloc(10);
    strncpy(block, "0", OFF(11, 10)); // line: by_strncpy
    free(block);
}

static void by_sprintf()
{
    char *block = (char *)malloc(10);
    sprintf(block, "%d", OFF(1234567890, 123456789)); // line: by_sprintf
    free(block);
}

static void by_snprintf()
{
    char *block = (char *)malloc(10);
    snprintf(block, 100, "%d", OFF(1234567890, 123456789)); // line: by_snprintf
    free(block);
}

static void by_read()
{
    int ends[2];
    char *block = (char *)malloc(10);
    if (pipe(ends) || write(ends[1], "0123456789x", OFF(11, 10)) < 10)
        exit(9);
    read(ends[0], block, 100); // line: by_read
    free(block);
}

static void by_recv()
{
    int ends[2];
    char *block = (char *)malloc(10);
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) || send(ends[1], "0123456789x", OFF(11, 10), 0) < 10)
        exit(9);
    recv(ends[0], block, 100, 0); // line: by_recv
    free(block);
}

static void by_fgets()
{
    char *block = (char *)malloc(10);
    FILE *file = tmpfile();
    fputs(OFF("012345678\n", "01234567\n"), file);
    rewind(file);
    fgets(block, 100, file); // line: by_fgets
    fclose(file);
    free(block);
}

// What _FORTIFY_SOURCE makes of strcpy when it does not know the size.
extern "C" char *__strcpy_chk(char *to, const char *from, size_t room);

static void by_fortified()
{
    char *block = (char *)malloc(10);
    __strcpy_chk(block, OFF("0123456789", "012345678"), (size_t)-1); // line: by_fortified
    free(block);
}

static const struct {
    const char *name;
    void (*run)();
} cases[] = {
    {"overrun", overrun},
    {"far_overrun", far_overrun},
    {"underrun", underrun},
    {"overrun_realloc", overrun_realloc},
    {"overrun_exit", overrun_exit},
    {"write_after_free", write_after_free},
    {"read_after_free", read_after_free},
    {"cxx", cxx},
    {"aligned", aligned},
    {"threads", threads},
    {"by_memcpy", by_memcpy},
    {"by_memcpy_source", by_memcpy_source},
    {"by_memset_freed", by_memset_freed},
    {"by_strcpy", by_strcpy},
    {"by_strcat", by_strcat},
    {"by_strncpy", by_strncpy},
    {"by_sprintf", by_sprintf},
    {"by_snprintf", by_snprintf},
    {"by_read", by_read},
    {"by_recv", by_recv},
    {"by_fgets", by_fgets},
    {"by_fortified", by_fortified},
    {"asked", asked},
    {"usable", usable},
    {"glibc", glibc},
    {"resize", resize},
};

int main(int argc, char **argv)
{
    good = argc > 2;
    for (const auto &one : cases)
        if (!strcmp(one.name, argv[1]) || !strcmp("all", argv[1]))
            one.run();
    return 0;
}
