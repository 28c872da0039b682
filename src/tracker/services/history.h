/* history.h - a section of the recording that holds a run's history in fixed room (struct cr_history of base/format.h).
 *
 * Entries come with rising times. When the section is full, neighbours that lie closer together than a new, longer interval become
 * one, such that at most half of the room is used: the history gets coarser as it gets longer, and stays whole at every moment.
 * Called by one thread at a time, which the caller sees to. */
#ifndef CR_SERVICES_HISTORY_H
#define CR_SERVICES_HISTORY_H

#include "services/recording.h"

/* Entries begin with their time (uint64_t), and item 0 of the section with a struct cr_history. */
struct cr_history_kind {
    enum cr_section_kind section;
    uint32_t half;                                 /* as many entries as half of it holds */
    void (*absorb)(void *entry, const void *next); /* makes one entry of two neighbours, at the later one's time */
};

static inline struct cr_history *cr_history(const struct cr_history_kind *kind)
{
    return (struct cr_history *)(void *)cr_section_items[kind->section];
}

uint32_t cr_history_count(const struct cr_history_kind *kind);
/* The entry of a number below the count. */
void *cr_history_entry(const struct cr_history_kind *kind, uint32_t number);
/* Makes room for one more entry; false: no memory. */
bool cr_history_reserve(const struct cr_history_kind *kind);
/* Whether that would have to take the recording lock. */
bool cr_history_is_full(const struct cr_history_kind *kind);
/* false: no memory for it. Takes no lock after cr_history_reserve. */
bool cr_history_add(const struct cr_history_kind *kind, const void *entry);

#endif
