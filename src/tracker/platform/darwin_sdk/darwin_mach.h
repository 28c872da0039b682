/* darwin_mach.h - the part of darwin.h that only macOS has: zones, images, tasks, the context of a signal. */
#ifndef CR_DARWIN_SDK_MACH_H
#define CR_DARWIN_SDK_MACH_H

#include "darwin_system.h"

/* ---- malloc/malloc.h ---- */

typedef struct _malloc_zone_t {
    void *reserved1, *reserved2;
    size_t (*size)(struct _malloc_zone_t *zone, const void *block);
    void *cr_rest[16]; /* of which the tracker uses nothing */
} malloc_zone_t;
void malloc_destroy_zone(malloc_zone_t *zone);
void *malloc_zone_malloc(malloc_zone_t *zone, size_t bytes);
void *malloc_zone_calloc(malloc_zone_t *zone, size_t count, size_t bytes);
void *malloc_zone_valloc(malloc_zone_t *zone, size_t bytes);
void *malloc_zone_realloc(malloc_zone_t *zone, void *block, size_t bytes);
void *malloc_zone_memalign(malloc_zone_t *zone, size_t align, size_t bytes);
void malloc_zone_free(malloc_zone_t *zone, void *block);
unsigned malloc_zone_batch_malloc(malloc_zone_t *zone, size_t bytes, void **results, unsigned count);
void malloc_zone_batch_free(malloc_zone_t *zone, void **blocks, unsigned count);
malloc_zone_t *malloc_default_zone(void);
malloc_zone_t *malloc_zone_from_ptr(const void *block);
size_t malloc_size(const void *block);

/* ---- crt_externs.h, libproc.h, dlfcn.h ---- */

int *_NSGetArgc(void);
char ***_NSGetArgv(void);
char ***_NSGetEnviron(void);

#define PROC_PIDPATHINFO_MAXSIZE 4096
int proc_pidpath(int process, void *path, uint32_t bytes);

typedef struct dl_info {
    const char *dli_fname;
    void *dli_fbase;
    const char *dli_sname;
    void *dli_saddr;
} Dl_info;
#define RTLD_NEXT ((void *)-1)
int dladdr(const void *address, Dl_info *info);
void *dlsym(void *library, const char *name);

/* ---- mach-o/loader.h, mach-o/dyld.h, mach-o/dyld_images.h ---- */

#define MH_MAGIC_64 0xfeedfacf
#define LC_SEGMENT_64 0x19
#define LC_UUID 0x1b
struct mach_header {
    uint32_t magic, cputype, cpusubtype, filetype, ncmds, sizeofcmds, flags;
};
struct load_command {
    uint32_t cmd, cmdsize;
};
struct uuid_command {
    uint32_t cmd, cmdsize;
    uint8_t uuid[16];
};
#define SEG_TEXT "__TEXT"
struct mach_header;
struct mach_header_64 {
    uint32_t magic;
    int cputype, cpusubtype;
    uint32_t filetype, ncmds, sizeofcmds, flags, reserved;
};
struct segment_command_64 {
    uint32_t cmd, cmdsize;
    char segname[16];
    uint64_t vmaddr, vmsize, fileoff, filesize;
    int maxprot, initprot;
    uint32_t nsects, flags;
};
uint32_t _dyld_image_count(void);
void _dyld_register_func_for_add_image(void (*added)(const struct mach_header *header, intptr_t slide));
void _dyld_register_func_for_remove_image(void (*removed)(const struct mach_header *header, intptr_t slide));
int _NSGetExecutablePath(char *path, uint32_t *bytes);

struct dyld_all_image_infos {
    uint32_t version, infoArrayCount;
    const void *infoArray;
    void (*notification)(void);
    bool processDetachedFromSharedRegion, libSystemInitialized;
    const struct mach_header *dyldImageLoadAddress; /* more follows */
};

/* ---- mach/mach.h, mach/mach_time.h ---- */

typedef int kern_return_t;
#define KERN_SUCCESS 0
typedef unsigned mach_msg_type_number_t, natural_t, task_flavor_t, mach_port_t, task_t, task_name_t;
typedef int *task_info_t;
extern mach_port_t mach_task_self_;
#define mach_task_self() mach_task_self_
#define TASK_DYLD_INFO 17
#define TASK_DYLD_INFO_COUNT (sizeof(struct task_dyld_info) / sizeof(natural_t))
#define MACH_TASK_BASIC_INFO 20
#define MACH_TASK_BASIC_INFO_COUNT (sizeof(struct mach_task_basic_info) / sizeof(natural_t))

#pragma pack(push, 4)
struct task_dyld_info {
    uint64_t all_image_info_addr, all_image_info_size;
    int all_image_info_format;
};
struct mach_task_basic_info {
    uint64_t virtual_size, resident_size, resident_size_max;
    int user_time[2], system_time[2], policy, suspend_count;
};
#pragma pack(pop)
typedef uintptr_t vm_address_t, vm_size_t;
typedef uint32_t vm_map_read_t;
kern_return_t vm_read_overwrite(vm_map_read_t task, vm_address_t from, vm_size_t bytes, vm_address_t to,
                                vm_size_t *read);
kern_return_t task_info(task_name_t task, task_flavor_t kind, task_info_t info, mach_msg_type_number_t *count);

typedef struct mach_timebase_info {
    uint32_t numer, denom;
} mach_timebase_info_data_t;
kern_return_t mach_timebase_info(struct mach_timebase_info *base);
uint64_t mach_absolute_time(void);
uint64_t mach_approximate_time(void);

/* ---- sys/ucontext.h ---- */

struct cr_exception_state {
#if defined(__x86_64__)
    uint16_t __trapno, __cpu;
    uint32_t __err;
    uint64_t __faultvaddr;
#else
    uint64_t __far;
    uint32_t __esr, __exception;
#endif
};
struct cr_mcontext {
    struct cr_exception_state __es; /* the registers follow */
};
typedef struct {
    int uc_onstack;
    sigset_t uc_sigmask;
    stack_t uc_stack;
    void *uc_link;
    size_t uc_mcsize;
    struct cr_mcontext *uc_mcontext;
} ucontext_t;

#endif
