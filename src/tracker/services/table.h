/* table.h - a hash table from 64-bit keys to pointers, for the few things that are looked up rarely. The only user of uthash.
 *
 * Entries are never removed, so uthash never frees its buckets under churn; its memory comes from the arena, and running out
 * is an error code. Not thread-safe: the owner of the table holds a lock. Not for signal handlers. */
#ifndef CR_SERVICES_TABLE_H
#define CR_SERVICES_TABLE_H

#include <stdint.h>

struct cr_table_entry;
struct cr_table {
    struct cr_table_entry *entries; /* NULL: empty */
};

/* The value of key, or NULL. */
void *cr_table_find(const struct cr_table *table, uint64_t key);
/* Sets the value of a key, there or not. 0 or -ENOMEM, the table unchanged then. */
int cr_table_set(struct cr_table *table, uint64_t key, void *value);
/* Adds a key that is not there yet. 0 or -ENOMEM, the table unchanged then. */
int cr_table_add(struct cr_table *table, uint64_t key, void *value);

#endif
