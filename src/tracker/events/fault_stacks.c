/* fault_stacks.c - the stacks of a crash as lines of `fatal`: the crashing thread's, then those of all others, then the modules that their
 * frames lie in. See fault.h. */
#include "base/unwind_trace.h"
#include "events/fault.h"
#include "platform/platform.h"
#include "services/writer.h"
#include "base/banned.h"

#define MOST_MODULES 512

static struct {
    struct cr_unwind_trace trace;
    struct cr_os_registers registers;
    uintptr_t stack_low, stack_high;
    struct cr_os_module module[MOST_MODULES];
    uint32_t modules;
} walk;

static void walk_stack(void *unused)
{
    (void)unused;
    cr_unwind_trace(&walk.registers, walk.stack_low, walk.stack_high, &walk.trace);
}

/* The module of an address, described if it is a new one; NULL: none, or no room for another. */
static const struct cr_os_module *module_of(uintptr_t address)
{
    struct cr_os_module found;
    for (uint32_t i = 0; i < walk.modules; i++)
        if (address - walk.module[i].start < walk.module[i].end - walk.module[i].start)
            return &walk.module[i];
    if (walk.modules == MOST_MODULES || !cr_os_find_module(address, &found))
        return NULL;
    cr_os_describe_module(&found);
    walk.module[walk.modules] = found;
    return &walk.module[walk.modules++];
}

static void find_modules(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < walk.trace.frames; i++)
        module_of(walk.trace.frame[i].pc - !walk.trace.frame[i].exact);
}

static void put_path(struct cr_text *text, const char *path) { cr_text_shown(text, path, " \\"); }

/* frame 0x401139 exact /path/a.out+0x1139 */
static void write_frame(struct cr_writer *writer, const char *key, const struct cr_trace_frame *frame)
{
    char bytes[4096 + 64];
    struct cr_text text = CR_TEXT(bytes);
    cr_text_hex(&text, frame->pc);
    cr_text_string(&text, frame->exact ? " at " : " after ");
    const struct cr_os_module *module = module_of(frame->pc - !frame->exact);
    if (module) {
        put_path(&text, module->path);
        cr_text_char(&text, '+');
        cr_text_hex(&text, frame->pc - module->bias);
    } else
        cr_text_char(&text, '-');
    cr_writer_line(writer, key, bytes);
}

static void write_trace(struct cr_writer *writer)
{
    const struct cr_unwind_trace *trace = &walk.trace;
    for (uint32_t i = 0; i < trace->frames; i++) {
        if (i == CR_TRACE_INNER && trace->left_out)
            cr_writer_pair(writer, "frames_left_out", trace->left_out);
        write_frame(writer, "frame", &trace->frame[i]);
    }
    if (trace->end != CR_UNWIND_ROOT)
        cr_writer_line(writer, "frames_missing", cr_unwind_end_text(trace->end));
}

/* module 0x401000 0x405000 0x400000 0a1b2c… /path */
static void write_module(struct cr_writer *writer, const struct cr_os_module *module)
{
    char bytes[4096 + 192];
    struct cr_text text = CR_TEXT(bytes);
    cr_text_hex(&text, module->start);
    cr_text_char(&text, ' ');
    cr_text_hex(&text, module->end);
    cr_text_char(&text, ' ');
    cr_text_hex(&text, module->bias);
    cr_text_char(&text, ' ');
    uint32_t count = module->build_id_bytes < 32 ? module->build_id_bytes : 32;
    for (uint32_t i = 0; i < count; i++) {
        cr_text_char(&text, "0123456789abcdef"[module->build_id[i] >> 4]);
        cr_text_char(&text, "0123456789abcdef"[module->build_id[i] & 15]);
    }
    cr_text_string(&text, count ? " " : "- ");
    put_path(&text, module->path);
    cr_writer_line(writer, "module", bytes);
}

/* Of the call that freed a block only the caller is known. */
static void write_freed(struct cr_writer *writer, const struct cr_fault_block *block)
{
    struct cr_trace_frame caller = {.pc = (uintptr_t)block->freed_by};
    walk.trace.frames = 1;
    walk.trace.frame[0] = caller;
    if (cr_os_guarded_call(find_modules, NULL))
        write_frame(writer, "freed_by", &caller);
}

/* Walks from registers on and writes the frames. */
static void write_stack(struct cr_writer *writer, const struct cr_os_registers *registers, uintptr_t low,
                        uintptr_t high)
{
    walk.registers = *registers;
    walk.stack_low = low;
    walk.stack_high = high;
    walk.trace.frames = 0;
    if (cr_os_guarded_call(walk_stack, NULL) && cr_os_guarded_call(find_modules, NULL))
        write_trace(writer);
    else
        cr_writer_line(writer, "note", "the stack could not be walked");
}

static void write_other(struct cr_writer *writer, const struct cr_os_stopped *thread)
{
    char bytes[128], name[32];
    struct cr_text text = CR_TEXT(bytes);
    cr_text_decimal(&text, thread->id);
    cr_os_thread_name(thread->id, name, sizeof name);
    cr_text_char(&text, ' ');
    put_path(&text, name); /* as a path: anything may stand in it */
    cr_writer_line(writer, "thread_stack", bytes);
    if (thread->standing == CR_OS_AT_LARGE)
        cr_writer_line(writer, "note",
                       "the thread runs with signals blocked or did not answer: its stack is not known");
    else
        write_stack(writer, &thread->registers, thread->stack_low, thread->stack_high);
}

void cr_fault_write_stacks(struct cr_writer *writer, const struct cr_fault *fault, const struct cr_os_stop *others)
{
    walk.modules = 0;
    const struct cr_fault_block *below = &(fault->handled ? fault->handled : fault)->below;
    if (below->freed_by)
        write_freed(writer, below);
    write_stack(writer, &fault->registers, fault->stack.known ? fault->stack.low : 0,
                fault->stack.known ? fault->stack.high : 0);
    if (!others)
        cr_writer_line(writer, "note", "the other threads could not be stopped: their stacks are not known");
    for (size_t i = 0; others && i < others->count; i++)
        write_other(writer, &others->thread[i]);
    if (others && others->left_out)
        cr_writer_pair(writer, "threads_left_out", others->left_out);
    for (uint32_t i = 0; i < walk.modules; i++)
        write_module(writer, &walk.module[i]);
}
