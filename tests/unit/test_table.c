/* services/table: finds what was added, among many keys that look alike. */
#include "services/table.h"

#include "random.h"
#include "tap.h"

#define ENTRIES 20000

static int value[ENTRIES];

static uint64_t key(uint64_t i) { return i << 40 | (i & 7) << 3; } /* as addresses: most bits are the same */

int main(void)
{
    struct cr_table table = {0}, other = {0};
    ok(!cr_table_find(&table, 0) && !cr_table_find(&table, 5), "an empty table has nothing");

    bool added = true, found = true, missing = true;
    for (uint64_t i = 0; i < ENTRIES; i++)
        added = added && cr_table_add(&table, key(i), &value[i]) == 0;
    ok(added, "%d entries are added", ENTRIES);
    for (uint64_t i = 0; i < ENTRIES; i++)
        found = found && cr_table_find(&table, key(i)) == &value[i];
    ok(found, "all are found");
    for (uint64_t i = 0; i < ENTRIES; i++)
        missing = missing && !cr_table_find(&table, key(i) + 1) && !cr_table_find(&table, key(i + ENTRIES));
    ok(missing, "their neighbours are not");

    ok(cr_table_add(&other, key(3), &value[9]) == 0 && cr_table_find(&other, key(3)) == &value[9],
       "another table is its own");
    ok(cr_table_find(&table, key(3)) == &value[3] && !cr_table_find(&other, key(4)), "and neither sees the other's");
    ok(cr_table_add(&table, UINT64_MAX, value) == 0 && cr_table_find(&table, UINT64_MAX) == value,
       "every key is allowed");
    return tap_done();
}
