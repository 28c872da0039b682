/* One thread loads and closes the plug-in named by argv[1], over and over; another asks the loader for its list and allocates meanwhile; others allocate
 * from ever new places. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int done;

static int allocate_in_list(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)info, (void)size, (void)data;
    free(malloc(10)); /* with the loader's lock on its list held */
    return 0;
}

static void *list(void *unused)
{
    while (!done)
        dl_iterate_phdr(allocate_in_list, NULL);
    return unused;
}

static void descend(unsigned route, int depth)
{
    if (!depth)
        free(malloc(20));
    else if (route & 1)
        descend(route >> 1, depth - 1);
    else
        descend(route >> 1, depth - 1);
}

static void *allocate(void *unused)
{
    for (unsigned route = 0; !done; route = (route + 1) & 0xfff)
        descend(route, 12);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread[3];
    pthread_create(&thread[0], NULL, list, NULL);
    pthread_create(&thread[1], NULL, allocate, NULL);
    pthread_create(&thread[2], NULL, allocate, NULL);
    for (int i = 0; i < 300 && argc > 1; i++) {
        void *plugin = dlopen(argv[1], RTLD_NOW);
        void (*leak)(void) = (void (*)(void))dlsym(plugin, "plugin_leak");
        leak();
        dlclose(plugin);
    }
    done = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
