/* recording_meta.c - what the recording says of the process as a whole, written once at its start. */
#include <string.h>

#include "platform/platform.h"
#include "services/recording.h"
#include "base/banned.h"

static void add_meta(void *context, const char *key, const char *value)
{
    (void)context;
    cr_recording_append(CR_SECTION_META, key, (uint32_t)strlen(key));
    cr_recording_append(CR_SECTION_META, "=", 1);
    cr_recording_append(CR_SECTION_META, value, (uint32_t)strlen(value) + 1);
}

/* The names of the environment's variables, whose values are nobody's business; those of crunch's own are its options, with values. */
static void add_environment(void)
{
    char **entry = cr_os_environment();
    for (; entry && *entry; entry++) {
        uint32_t name = 0;
        while ((*entry)[name] && (*entry)[name] != '=')
            name++;
        if (!strncmp(*entry, "CRUNCH_", 7)) {
            add_meta(NULL, "option", *entry);
        } else {
            cr_recording_append(CR_SECTION_META, "env=", 4);
            cr_recording_append(CR_SECTION_META, *entry, name);
            cr_recording_append(CR_SECTION_META, "", 1);
        }
    }
}

void cr_recording_describe(void)
{
    cr_os_describe_process(add_meta, NULL);
    add_environment();
}
