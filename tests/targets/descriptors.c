/* Closes the descriptors its arguments name ("all": every one), uses the heap, and returns 3. With "list" it prints which are open;
 * with "none-left" it forbids itself to open any more. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "list"))
            for (int fd = 0; fd < 1024; fd++)
                if (fcntl(fd, F_GETFD) >= 0)
                    printf("%d\n", fd);
        if (!strcmp(argv[i], "none-left")) {
            setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, 0});
            continue;
        }
        if (!strcmp(argv[i], "all"))
            for (int fd = 0; fd < 1024; fd++)
                close(fd);
        else if (strcmp(argv[i], "list"))
            close(atoi(argv[i]));
    }
    void *volatile block = malloc(123); /* block: malloc 123 */
    if (!block)
        return 99;
    return 3;
}
