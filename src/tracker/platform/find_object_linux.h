/* find_object_linux.h - glibc's _dl_find_object (2.35 and newer): no lock, safe in signal handlers (glibc manual, "Dynamic Linker Introspection"). */
#ifndef CR_PLATFORM_FIND_OBJECT_LINUX_H
#define CR_PLATFORM_FIND_OBJECT_LINUX_H

/* As in glibc's <dlfcn.h>, which older ones do not have. */
struct cr_found_object {
    unsigned long long flags;
    void *map_start, *map_end;
    struct link_map *link_map;
    void *eh_frame; /* the PT_GNU_EH_FRAME segment, that is .eh_frame_hdr */
    unsigned long long reserved[7];
};

#ifndef CR_UNWIND_OWN_MODULES /* defined by tests, to do without on every system */
extern int cr_find_object(void *address, struct cr_found_object *result) __asm__("_dl_find_object")
    __attribute__((weak));
#else
static int (*const cr_find_object)(void *, struct cr_found_object *) = 0;
#endif

#endif
