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
