/* heap_sections.c - see heap_sections.h. */
#include "state/heap_sections.h"

#include <string.h>

#include "services/recording.h"
#include "base/banned.h"

#define ENTRIES 2048u /* a power of 2, twice as many as there are names */

struct cr_lock cr_heap_sections_lock = CR_LOCK_INIT;

/* By name: a hash table with linear probing. An entry's address is 0 where there is none. */
static struct {
    uint32_t hash;
    struct cr_heap_section section;
} table[ENTRIES];
static uint32_t names;
static struct cr_heap_section other;

static const char *name_of(uintptr_t address)
{
    return cr_section_items[CR_SECTION_STRINGS] + (address & CR_PC_ADDRESS);
}

/* FNV-1a. */
static uint32_t hash_of(const char *name, size_t bytes)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return hash;
}

static struct cr_heap_section enter(const char *name, size_t bytes, uint32_t number)
{
    char text[CR_HEAP_SECTION_NAME_BYTES + 1] = {0};
    memcpy(text, name, bytes);
    uint32_t offset = cr_recording_append(CR_SECTION_STRINGS, text, (uint32_t)bytes + 1);
    if (offset == CR_NO_ITEM)
        return (struct cr_heap_section){0, 0};
    return (struct cr_heap_section){number, (uintptr_t)CR_PC_SECTION << CR_PC_BITS | offset};
}

static struct cr_heap_section find_or_enter(const char *name, size_t bytes)
{
    uint32_t hash = hash_of(name, bytes), i = hash % ENTRIES;
    if (bytes <= CR_HEAP_SECTION_NAME_BYTES) {
        for (; table[i].section.address; i = (i + 1) % ENTRIES)
            if (table[i].hash == hash && !strcmp(name_of(table[i].section.address), name))
                return table[i].section;
        if (names < CR_HEAP_SECTIONS) {
            table[i].hash = hash;
            table[i].section = enter(name, bytes, names + 1);
            names += table[i].section.number != 0;
            return table[i].section;
        }
    }
    if (!other.number)
        other = enter("other", strlen("other"), CR_HEAP_SECTION_OTHER);
    return other;
}

struct cr_heap_section cr_heap_section(const char *name)
{
    size_t bytes = name ? strnlen(name, CR_HEAP_SECTION_NAME_BYTES + 1) : 0;
    if (!bytes)
        return (struct cr_heap_section){0, 0};
    cr_lock(&cr_heap_sections_lock);
    struct cr_heap_section section = find_or_enter(name, bytes);
    cr_unlock(&cr_heap_sections_lock);
    return section;
}

bool cr_heap_section_is(uintptr_t address)
{
    return address >> CR_PC_BITS == CR_PC_SECTION &&
           (address & CR_PC_ADDRESS) < atomic_load(&cr_recording->sections[CR_SECTION_STRINGS].used);
}
