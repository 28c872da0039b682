/* Loads the plug-in named by its argument, calls plugin_leak, and closes it. */
#include <dlfcn.h>

int main(int argc, char **argv)
{
    void *plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW) : 0;
    if (!plugin)
        return 1;
    void (*leak)(void) = (void (*)(void))dlsym(plugin, "plugin_leak");
    leak();
    return dlclose(plugin);
}
