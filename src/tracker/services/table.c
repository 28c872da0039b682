/* table.c - see table.h. */
#include "services/table.h"

#include <errno.h>
#include <string.h>

#include "services/arena.h"

#define HASH_NONFATAL_OOM 1
#define uthash_malloc(bytes) cr_arena_alloc(bytes, 16)
#define uthash_free(memory, bytes)                                                                                     \
    ((void)(memory), (void)(bytes)) /* outgrown bucket arrays: together smaller than the last */
#define uthash_nonfatal_oom(entry) ((void)(entry), failed = true)
#define uthash_fatal(message) ((void)(message)) /* unreachable with HASH_NONFATAL_OOM */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <uthash.h>

struct cr_table_entry {
    uint64_t key;
    void *value;
    UT_hash_handle hh;
};

void *cr_table_find(const struct cr_table *table, uint64_t key)
{
    struct cr_table_entry *entry = NULL;
    HASH_FIND(hh, table->entries, &key, sizeof key, entry);
    return entry ? entry->value : NULL;
}

int cr_table_add(struct cr_table *table, uint64_t key, void *value)
{
    bool failed = false;
    struct cr_table_entry *entry = cr_arena_alloc(sizeof *entry, 16);
    if (!entry)
        return -ENOMEM;
    entry->key = key;
    entry->value = value;
    HASH_ADD(hh, table->entries, key, sizeof entry->key, entry);
    return failed ? -ENOMEM : 0;
}

int cr_table_set(struct cr_table *table, uint64_t key, void *value)
{
    struct cr_table_entry *entry = NULL;
    HASH_FIND(hh, table->entries, &key, sizeof key, entry);
    if (!entry)
        return cr_table_add(table, key, value);
    entry->value = value;
    return 0;
}
#pragma GCC diagnostic pop
