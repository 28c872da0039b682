/* services/counters: slots of many threads, and the peak of them all. */
#include "services/recording.h"

#include "recordings.h"
#include "tap.h"
#include "threads.h"

/* ---- slots from many threads ---- */

#define THREADS 8
#define SLOTS 300

static void *take_slots(void *argument)
{
    struct cr_slot **mine = argument;
    for (int i = 0; i < SLOTS; i++)
        if ((mine[i] = new_slot()))
            atomic_fetch_add(&mine[i]->allocations, 1);
    return NULL;
}

static void count_once(void *context, struct cr_slot *slot) { *(int *)context += atomic_load(&slot->allocations) == 1; }

static bool gives_every_thread_its_own_slot(void)
{
    static struct cr_slot *slot[THREADS][SLOTS];
    int once = 0;
    if (!begin())
        return false;
    threads_run(THREADS, take_slots, slot, sizeof slot[0]);
    cr_recording_each_slot(count_once, &once);
    return once == THREADS * SLOTS && cr_recording_totals().allocations == THREADS * SLOTS;
}

/* ---- the peak ---- */

static bool peak_is_the_highest_sum(void)
{
    if (!begin())
        return false;
    struct cr_slot *one = new_slot(), *two = new_slot();
    set(one, 100, 1, 100, 1);
    cr_recording_hand_in(one);
    set(two, 50, 2, 70, 3); /* had 70 for a moment, while the other had 100 */
    cr_recording_hand_in(two);
    bool right = cr_recording->peak_bytes == 170 && cr_recording->peak_blocks == 4 && cr_recording->shared_bytes == 150;
    set(one, 20, 1, 100, 1);
    cr_recording_hand_in(one);
    return right && cr_recording->peak_bytes == 170 && cr_recording->shared_bytes == 70 &&
           cr_recording->shared_blocks == 3;
}

static bool rises_to(struct cr_slot *slot, uint64_t bytes)
{
    uint32_t epoch = cr_recording->peak_epoch;
    set(slot, bytes, 1, bytes, 1);
    cr_recording_rise(slot);
    return cr_recording->peak_epoch != epoch;
}

static bool every_new_peak_of_one_thread_counts(void)
{
    if (!begin())
        return false;
    struct cr_slot *slot = new_slot();
    cr_recording->threads = 1;
    bool right = rises_to(slot, 10) && rises_to(slot, 11) && rises_to(slot, 100000) && rises_to(slot, 100001);
    set(slot, 50, 1, 100001, 1);
    cr_recording_hand_in(slot); /* its high starts anew */
    return right && !rises_to(slot, 60) && !rises_to(slot, 100001) && rises_to(slot, 100002);
}

static bool peaks_of_several_threads_count_in_steps(void)
{
    if (!begin())
        return false;
    struct cr_slot *slot = new_slot();
    uint64_t step = (uint64_t)cr_recording_step;
    cr_recording->threads = 2;
    return !rises_to(slot, step) && rises_to(slot, step + 1) && cr_recording->peak_bytes == step + 1 &&
           !rises_to(slot, step + 2);
}

int main(void)
{
    if (!mkdtemp(tracker_folder))
        return 1;
    ok(in_folder(gives_every_thread_its_own_slot), "no two threads have the same slot");
    ok(in_folder(peak_is_the_highest_sum), "the peak is the highest sum of what was handed in");
    ok(in_folder(every_new_peak_of_one_thread_counts), "of one thread every new peak is counted, and nothing else is");
    ok(in_folder(peaks_of_several_threads_count_in_steps), "of several threads they are counted in steps");
    ok(rmdir(tracker_folder) == 0, "nothing else was written");
    return tap_done();
}
