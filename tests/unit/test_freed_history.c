/* state/freed_history: the newest entry of an address, as long as it is there; a reader beside the writer never mixes two. */
#include "state/freed_history.h"

#include "tap.h"
#include "threads.h"

#define ADDRESSES 64u
#define ROUNDS 400000u

static struct cr_freed_ring history;
static _Atomic bool over;

static void add(uintptr_t address, uint64_t number)
{
    struct cr_record record = {
        .size_tag = cr_record_sized(number, 0, 3), .node = (uint32_t)number, .thread = (uint32_t)number + 1};
    cr_freed_add(&history, address, &record, cr_freed_by((uint32_t)number) | (number + 5));
}

static bool is(const struct cr_freed_block *found, uint64_t number)
{
    const struct cr_record *record = &found->record;
    return cr_record_size(record) == number && cr_record_tag(record) == 3 && record->node == number &&
           record->thread == number + 1 && found->caller == number + 5 && !found->site &&
           found->thread == (number & CR_FREED_THREADS);
}

static void test_order(void)
{
    struct cr_freed_block found;
    ok(!cr_freed_find(&history, 0x1000, &found), "nothing is known at first");
    add(0x1000, 1);
    add(0x2000, 2);
    add(0x1000, 3);
    bool right = cr_freed_find(&history, 0x1000, &found) && is(&found, 3) && found.record.address == 0x1000;
    right = right && cr_freed_find(&history, 0x2000, &found) && is(&found, 2);
    ok(right && !cr_freed_find(&history, 0x3000, &found), "the newest entry of an address is found");
    right = cr_freed_around(&history, 0x1002, &found) && is(&found, 3) && cr_freed_around(&history, 0x2001, &found);
    ok(right && is(&found, 2) && !cr_freed_around(&history, 0x1003, &found) &&
           !cr_freed_around(&history, 0xfff, &found),
       "and that of an address inside of it, up to its end");
    struct cr_record record = {.size_tag = cr_record_sized(70, 0, 0)};
    cr_freed_add(&history, 0x4000, &record, cr_freed_by(9) | CR_FREED_SITE | 1234);
    right = cr_freed_find(&history, 0x4000, &found) && found.site == 1234 && !found.caller && found.thread == 9;
    ok(right, "a whole stack is told from a return address");
    for (uint64_t i = 0; i < CR_FREED_ENTRIES - 3; i++)
        add(0x100000 + i * 16, i);
    right = cr_freed_find(&history, 0x2000, &found) && is(&found, 2);
    add(0x900000, 1);
    right = right && !cr_freed_find(&history, 0x2000, &found) && cr_freed_find(&history, 0x1000, &found);
    ok(right, "%u entries are kept", CR_FREED_ENTRIES);
}

static void *read_on(void *wrong)
{
    struct cr_freed_block found;
    for (uint32_t i = 0; !atomic_load(&over); i = (i + 1) % ADDRESSES)
        if (cr_freed_find(&history, 0x5000 + i * 16, &found) && found.thread % ADDRESSES != i)
            *(bool *)wrong = true;
    return NULL;
}

static void test_reader_beside_the_writer(void)
{
    bool wrong = false;
    pthread_t reader;
    pthread_create(&reader, NULL, read_on, &wrong);
    for (uint32_t i = 0; i < ROUNDS; i++)
        add(0x5000 + i % ADDRESSES * 16, i);
    atomic_store(&over, true);
    pthread_join(reader, NULL);
    ok(!wrong, "what is read while the ring turns belongs to the address");
}

int main(void)
{
    test_order();
    test_reader_beside_the_writer();
    return tap_done();
}
