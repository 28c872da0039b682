/* tracker.h - a tracker without hooks: it records into a folder of its own, and its events are of blocks that need not exist. */
#ifndef CR_TRACKER_H
#define CR_TRACKER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events/recorder.h"
#include "services/recording.h"

static char tracker_folder[] = "/tmp/crunch-unit-XXXXXX";

static inline const char *tracker_path(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", tracker_folder, name);
    return path;
}

static inline bool tracker_start(void)
{
    strcpy(tracker_folder + strlen(tracker_folder) - 6, "XXXXXX");
    if (!mkdtemp(tracker_folder) || cr_recording_start(tracker_folder, 0, 0, 0) || cr_threads_start())
        return false;
    atomic_store(&cr_active, true);
    return true;
}

/* Whether the recording is all that was written. */
static inline bool tracker_end(void)
{
    atomic_store(&cr_active, false);
    return unlink(tracker_path("recording")) == 0 && rmdir(tracker_folder) == 0;
}

/* Whether `holds` holds in a process of its own: a tracker starts once. */
static inline bool in_child(bool (*holds)(void))
{
    int status = 1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(holds() ? 0 : 1);
    return waitpid(child, &status, 0) == child && status == 0;
}

static inline uint32_t section_count(enum cr_section_kind section)
{
    return (uint32_t)atomic_load(&cr_recording->sections[section].used);
}

#endif
