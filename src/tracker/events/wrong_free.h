/* wrong_free.h - what is positively wrong with a call that frees, resizes or asks for a size no block can have.
 *
 * "Positively": double free only of an address whose last block was seen to be freed, and at which nothing was allocated since, not
 * even unseen by crunch; the pair of functions only where neither side can be an operator new or delete that nobody sees
 * (docs/wrong-frees.md). All are called by a thread that has entered, never on the usual way, and report through events/errors.h. */
#ifndef CR_EVENTS_WRONG_FREE_H
#define CR_EVENTS_WRONG_FREE_H

#include "state/thread.h"

/* What is known by address holds only where every way to the allocator is hooked: of the system's own. Set at the start. */
extern bool cr_wrong_free_by_address;

/* An address at which no live block begins: whether to free (or resize) it is wrong. */
CR_COLD bool cr_wrong_free(struct cr_thread *thread, const void *block, const char *function);

/* A block of operator new, maybe, goes to free or realloc. The call is made all the same, as in the two below. */
CR_COLD void cr_wrong_pair(struct cr_thread *thread, const struct cr_record *record, const char *function,
                           uintptr_t caller);

/* What an operator delete is for and says; see cr_on_delete. */
struct cr_delete {
    unsigned tag;
    size_t size, align;
    uintptr_t caller;
};
static inline const char *cr_delete_name(unsigned tag)
{
    return (tag & CR_TAG_KIND) == CR_KIND_NEW_ARRAY ? "operator delete[]" : "operator delete";
}
/* A block goes to an operator delete that may not be for it. */
CR_COLD void cr_wrong_delete(struct cr_thread *thread, const struct cr_record *record, const struct cr_delete *how);

/* A block goes to free_sized or free_aligned_sized. */
CR_COLD void cr_wrong_sized_free(struct cr_thread *thread, const struct cr_record *record, const struct cr_delete *how,
                                 const char *function);

/* macOS: a block of one zone goes to another that does not have it. Zones by address. */
CR_COLD void cr_wrong_zone(struct cr_thread *thread, const struct cr_record *record, uintptr_t said, uintptr_t owner,
                           const char *function);

/* An allocation failed: whether its size looks negative, or is more than there are addresses. tag: of the block it would have been;
 * function: the hook's name, which the tag may know better. */
CR_COLD void cr_wrong_size(struct cr_thread *thread, size_t count, size_t size, unsigned tag, const char *function,
                           const struct cr_unwind_start *start);

#endif
