/* plugin.h - a small shared library, built and loaded by the test, that comes and goes. */
#ifndef CR_PLUGIN_H
#define CR_PLUGIN_H

#include <dlfcn.h>

#include "state/modules.h"
#include "tracker.h"

struct plugin {
    char path[200];
    void *handle;
    uintptr_t address; /* within its one function */
};

/* Builds NAME.so, whose function gives the number, in the tracker's folder. */
static inline bool plugin_build(struct plugin *plugin, const char *name, int number)
{
    char command[600];
    snprintf(plugin->path, sizeof plugin->path, "%s/%s.so", tracker_folder, name);
    snprintf(command, sizeof command, "echo 'int plugin(void) { return %d; }' | ${CC:-cc} -shared -fPIC -x c - -o %s",
             number, plugin->path);
    return system(command) == 0;
}

static inline bool plugin_open(struct plugin *plugin)
{
    plugin->handle = dlopen(plugin->path, RTLD_NOW | RTLD_LOCAL);
    void *function = plugin->handle ? dlsym(plugin->handle, "plugin") : NULL;
    plugin->address = (uintptr_t)function + 1;
    return function != NULL;
}

/* Closes it, and lets the tracker see that. */
static inline bool plugin_close(struct plugin *plugin)
{
    bool closed = dlclose(plugin->handle) == 0;
    cr_modules_recheck();
    return closed;
}

static inline void plugin_remove(struct plugin *plugin) { unlink(plugin->path); }

#endif
