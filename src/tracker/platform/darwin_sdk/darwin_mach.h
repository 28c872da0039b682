/* darwin_mach.h - the part of darwin.h that only macOS has: zones, images, tasks, the context of a signal. */
#ifndef CR_DARWIN_SDK_MACH_H
#define CR_DARWIN_SDK_MACH_H

#include "darwin_system.h"

/* ---- malloc/malloc.h ---- */

struct malloc_introspection_t;
typedef struct _malloc_zone_t {
    void *reserved1, *reserved2;
    size_t (*size)(struct _malloc_zone_t *zone, const void *block);
    void *(*malloc)(struct _malloc_zone_t *zone, size_t bytes);
    void *(*calloc)(struct _malloc_zone_t *zone, size_t count, size_t bytes);
    void *(*valloc)(struct _malloc_zone_t *zone, size_t bytes);
    void (*free)(struct _malloc_zone_t *zone, void *block);
    void *(*realloc)(struct _malloc_zone_t *zone, void *block, size_t bytes);
    void (*destroy)(struct _malloc_zone_t *zone);
    const char *zone_name;
    unsigned (*batch_malloc)(struct _malloc_zone_t *zone, size_t bytes, void **results, unsigned count);
    void (*batch_free)(struct _malloc_zone_t *zone, void **blocks, unsigned count);
    struct malloc_introspection_t *introspect;
    unsigned version;
    void *(*memalign)(struct _malloc_zone_t *zone, size_t align, size_t bytes);
    void (*free_definite_size)(struct _malloc_zone_t *zone, void *block, size_t bytes);
    void *cr_rest[3]; /* of which the tracker uses nothing */
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
int proc_regionfilename(int process, uint64_t address, void *path, uint32_t bytes);
#define PROC_PIDTHREADID64INFO 15
struct proc_threadinfo {
    uint64_t times[2];
    int32_t state[8];
    char pth_name[64];
};
int proc_pidinfo(int process, int kind, uint64_t argument, void *info, int bytes);
#define PROC_PIDLISTFDS 1
#define PROX_FDTYPE_VNODE 1
#define PROX_FDTYPE_SOCKET 2
#define PROX_FDTYPE_PIPE 6
struct proc_fdinfo {
    int32_t proc_fd;
    uint32_t proc_fdtype;
};
#define PROC_PIDFDVNODEINFO 1
#define PROC_PIDFDSOCKETINFO 3
#define PROC_PIDFDPIPEINFO 6
#define PROC_FP_GUARDED 4
struct proc_fileinfo {
    uint32_t fi_openflags, fi_status;
    off_t fi_offset;
    int32_t fi_type;
    uint32_t fi_guardflags;
};
int proc_pidfdinfo(int process, int fd, int kind, void *info, int bytes);

typedef struct dl_info {
    const char *dli_fname;
    void *dli_fbase;
    const char *dli_sname;
    void *dli_saddr;
} Dl_info;
#define RTLD_NEXT ((void *)-1)
#define RTLD_DEFAULT ((void *)-2)
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
mach_port_t task_self_trap(void);
#define TASK_DYLD_INFO 17
#define TASK_DYLD_INFO_COUNT (sizeof(struct task_dyld_info) / sizeof(natural_t))
#define TASK_VM_INFO 22
struct task_vm_info { /* the first revision; it has grown since */
    uint64_t virtual_size;
    int32_t region_count, page_size;
    uint64_t others[16];
    uint64_t phys_footprint;
};
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
typedef uint32_t vm_map_t, vm_map_read_t;
kern_return_t vm_read_overwrite(vm_map_read_t task, vm_address_t from, vm_size_t bytes, vm_address_t to,
                                vm_size_t *read);
/* ---- malloc/malloc.h, what a zone of one's own needs ---- */

typedef int boolean_t;
typedef struct {
    vm_address_t address;
    vm_size_t size;
} vm_range_t;
typedef struct malloc_statistics_t {
    unsigned blocks_in_use;
    size_t size_in_use, max_size_in_use, size_allocated;
} malloc_statistics_t;
void malloc_zone_statistics(malloc_zone_t *zone, malloc_statistics_t *totals);
typedef kern_return_t memory_reader_t(task_t task, vm_address_t from, vm_size_t bytes, void **memory);
typedef void vm_range_recorder_t(task_t task, void *context, unsigned type, vm_range_t *ranges, unsigned count);
typedef struct malloc_introspection_t {
    kern_return_t (*enumerator)(task_t task, void *context, unsigned types, vm_address_t zone, memory_reader_t reader,
                                vm_range_recorder_t recorder);
    size_t (*good_size)(malloc_zone_t *zone, size_t bytes);
    boolean_t (*check)(malloc_zone_t *zone);
    void (*print)(malloc_zone_t *zone, boolean_t verbose);
    void (*log)(malloc_zone_t *zone, void *address);
    void (*force_lock)(malloc_zone_t *zone);
    void (*force_unlock)(malloc_zone_t *zone);
    void (*statistics)(malloc_zone_t *zone, malloc_statistics_t *stats);
    boolean_t (*zone_locked)(malloc_zone_t *zone);
    void *cr_discharging[4]; /* of which the tracker uses nothing */
    void (*reinit_lock)(malloc_zone_t *zone);
} malloc_introspection_t;
void malloc_zone_register(malloc_zone_t *zone);

kern_return_t vm_deallocate(vm_map_t task, vm_address_t from, vm_size_t bytes);

/* What is mapped: sharing modes, and the first of the facts about a region. */
#define VM_PROT_READ 1
#define VM_PROT_WRITE 2
#define VM_PROT_EXECUTE 4
#define SM_SHARED 4
#define SM_TRUESHARED 5
typedef int *vm_region_recurse_info_t;
#pragma pack(push, 4)
struct vm_region_submap_info_64 {
    int protection, max_protection;
    unsigned inheritance;
    unsigned long long offset;
    unsigned user_tag, pages_resident, pages_shared_now_private, pages_swapped_out, pages_dirtied, ref_count;
    unsigned short shadow_depth;
    unsigned char external_pager, share_mode;
    int is_submap, behavior;
    uint32_t object_id;
    unsigned short user_wired_count, flags;
    unsigned pages_reusable;
    unsigned long long object_id_full;
    uint32_t pages_wired;
    uint16_t wire_tag, cr_padding;
};
#pragma pack(pop)
#define VM_REGION_SUBMAP_INFO_COUNT_64                                                                                 \
    ((mach_msg_type_number_t)(sizeof(struct vm_region_submap_info_64) / sizeof(natural_t)))
kern_return_t vm_region_recurse_64(vm_map_read_t task, vm_address_t *at, vm_size_t *bytes, natural_t *depth,
                                   vm_region_recurse_info_t info, mach_msg_type_number_t *count);

#define VM_PAGE_QUERY_PAGE_PRESENT 0x1
#define VM_PAGE_QUERY_PAGE_PAGED_OUT 0x10
kern_return_t vm_map_page_query(vm_map_read_t task, uintptr_t page, int *disposition, int *references);

/* Threads. */
typedef mach_port_t thread_act_t, *thread_act_array_t;
typedef int thread_state_flavor_t;
typedef natural_t *thread_state_t;
typedef int *thread_info_t;
#define THREAD_IDENTIFIER_INFO 4
struct thread_identifier_info {
    uint64_t thread_id, thread_handle, dispatch_qaddr;
};
#define THREAD_IDENTIFIER_INFO_COUNT                                                                                   \
    ((mach_msg_type_number_t)(sizeof(struct thread_identifier_info) / sizeof(natural_t)))
mach_port_t mach_thread_self(void);
kern_return_t mach_port_deallocate(task_t task, mach_port_t port);
kern_return_t task_threads(task_t task, thread_act_array_t *threads, mach_msg_type_number_t *count);
kern_return_t thread_suspend(thread_act_t thread);
kern_return_t thread_resume(thread_act_t thread);
kern_return_t thread_get_state(thread_act_t thread, thread_state_flavor_t kind, thread_state_t state,
                               mach_msg_type_number_t *count);
kern_return_t thread_info(thread_act_t thread, unsigned kind, thread_info_t info, mach_msg_type_number_t *count);

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
struct cr_general_state {
#if defined(__x86_64__)
    uint64_t cr_general[16], __rip, __rflags;
#else
    uint64_t cr_general[33];
    uint32_t __cpsr;
#endif
};
struct cr_mcontext {
    struct cr_exception_state __es;
    struct cr_general_state __ss; /* more follows */
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
