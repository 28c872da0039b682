/* leak_marks.c - see leak_roots.h: marking what the roots lead to, and giving their words numbers. */
#include <stdatomic.h>

#include "events/leak_places.h"
#include "state/block_table.h"
#include "base/banned.h"

#define USER_MOST 4096u

static struct {
    _Atomic uintptr_t start;
    _Atomic size_t bytes;
} user[USER_MOST];

/* ---- what the program says ---- */

bool cr_leak_roots_add(uintptr_t start, size_t bytes)
{
    for (uint32_t i = 0; start && i < USER_MOST; i++) {
        uintptr_t nobody = 0;
        if (atomic_compare_exchange_strong(&user[i].start, &nobody, start)) {
            atomic_store(&user[i].bytes, bytes);
            return true;
        }
    }
    return false;
}

void cr_leak_roots_remove(uintptr_t start)
{
    for (uint32_t i = 0; i < USER_MOST; i++)
        if (atomic_load(&user[i].start) == start) {
            atomic_store(&user[i].bytes, 0);
            atomic_store(&user[i].start, 0);
            return;
        }
}

static struct cr_leak_root *root_at(size_t i) { return (struct cr_leak_root *)cr_leak_roots.roots.items + i; }
static struct cr_leak_range *hole_at(size_t i) { return (struct cr_leak_range *)cr_leak_roots.holes.items + i; }

/* ---- marking ---- */

static uint64_t give_numbers(const struct cr_leak_root *root, uint64_t words)
{
    uint64_t number = cr_leak_roots.words;
    struct cr_leak_root *item = cr_leak_append(&cr_leak_roots.marked, sizeof *item);
    if (item) {
        *item = *root;
        item->number = number;
    }
    cr_leak_roots.words += words;
    return number;
}

static void mark_piece(const struct cr_leak_root *root, uintptr_t start, uintptr_t end)
{
    struct cr_leak_root piece = *root;
    piece.start = (start + sizeof start - 1) & ~(sizeof start - 1);
    piece.end = end;
    if (piece.start >= piece.end)
        return;
    uint64_t number = give_numbers(&piece, (piece.end - piece.start) / sizeof start);
    cr_leak_mark_words(piece.start, piece.end, number);
}

/* What is no block of [start, end): a block's words count only once it is known to be reachable. */
static void mark_between_blocks(const struct cr_leak_root *root, uintptr_t start, uintptr_t end)
{
    for (uint32_t block = cr_leak_first_behind(start); block < cr_leak_count() && start < end; block++) {
        uintptr_t address = cr_leak_address(block);
        if (address >= end)
            break;
        if (address > start)
            mark_piece(root, start, address);
        uintptr_t behind = address + cr_record_size(cr_leak_record(block));
        start = behind > start ? behind : start;
    }
    if (start < end)
        mark_piece(root, start, end);
}

static void mark_without_holes(const struct cr_leak_root *root)
{
    uintptr_t start = root->start;
    for (size_t i = 0; i < cr_leak_roots.holes.count && start < root->end; i++) {
        const struct cr_leak_range *hole = hole_at(i);
        if (hole->start >= root->end)
            break;
        if (hole->end <= start)
            continue;
        if (hole->start > start)
            mark_between_blocks(root, start, hole->start);
        start = hole->end;
    }
    if (start < root->end)
        mark_between_blocks(root, start, root->end);
}

static void mark_thread(uint32_t number)
{
    const struct cr_leak_place *thread = cr_leak_thread(number);
    struct cr_leak_root registers = {
        .kind = CR_ROOT_REGISTER, .thread = number, .name = CR_LEAK_NO_NAME, .end = CR_OS_REGISTER_WORDS};
    uint64_t first = give_numbers(&registers, CR_OS_REGISTER_WORDS);
    for (unsigned i = 0; i < CR_OS_REGISTER_WORDS; i++)
        cr_leak_mark_value(thread->registers.word[i], first + i);
    if (!thread->low)
        return;
    struct cr_leak_root stack = {.kind = CR_ROOT_STACK, .thread = number, .name = CR_LEAK_NO_NAME};
    uint32_t block = cr_leak_first_behind(thread->low);
    bool within = block < cr_leak_count() && cr_leak_address(block) <= thread->low;
    if (!within) {
        mark_between_blocks(&stack, thread->low, thread->high);
        return;
    }
    uintptr_t end =
        cr_leak_address(block) + cr_record_size(cr_leak_record(block)); /* a stack that the program has allocated */
    mark_piece(&stack, thread->low, end < thread->high ? end : thread->high);
}

static void mark_kind(enum cr_root_kind kind)
{
    for (size_t i = 0; i < cr_leak_roots.roots.count; i++)
        if (root_at(i)->kind == kind)
            mark_without_holes(root_at(i));
}

void cr_leak_roots_mark(void)
{
    cr_leak_drop(&cr_leak_roots.marked);
    mark_kind(CR_ROOT_DATA); /* in this order, so that paths end where it says most */
    for (uint32_t i = 0; i < cr_leak_roots.threads.count; i++)
        mark_thread(i);
    for (uint32_t i = 0; i < USER_MOST; i++) {
        struct cr_leak_root root = {
            .kind = CR_ROOT_USER, .name = CR_LEAK_NO_NAME, .start = atomic_load(&user[i].start)};
        root.end = root.start + atomic_load(&user[i].bytes);
        if (root.start)
            mark_piece(&root, root.start, root.end);
    }
    mark_kind(CR_ROOT_MEMORY);
}

uint64_t cr_leak_roots_number(enum cr_root_kind kind)
{
    if (kind == CR_ROOT_RUNTIME)
        return 0;
    struct cr_leak_root root = {.kind = kind, .name = CR_LEAK_NO_NAME};
    return give_numbers(&root, 1);
}
