/* fault_file.c - the facts of a fault as lines of `fatal`, and the memory map. See fault.h and docs/format.md. */
#include <string.h>
#include <unistd.h>

#include "events/fault.h"
#include "events/final.h"
#include "platform/platform.h"
#include "services/recording.h"
#include "services/writer.h"
#include "base/banned.h"

#define MOST_MAPPINGS 20000

/* ---- the verdict ---- */

void cr_fault_write_sentence(struct cr_writer *writer, const struct cr_fault *fault)
{
    char bytes[CR_FAULT_PATH_BYTES + 1024], shown[sizeof bytes * 2];
    struct cr_text text = CR_TEXT(bytes), line = CR_TEXT(shown);
    bytes[0] = '\0';
    cr_fault_sentence(fault, &text);
    cr_text_shown(&line, bytes, ""); /* paths and messages are the program's */
    if (bytes[0])
        cr_writer_line(writer, "explanation", shown);
    if (fault->incomplete)
        cr_writer_line(writer, "note", "not everything could be read while the crash was explained");
}

static void write_access(struct cr_writer *writer, enum cr_access access)
{
    static const char *const words[] = {"", "read", "write", "execute"};
    if (access)
        cr_writer_line(writer, "access", words[access]);
}

static void write_block(struct cr_writer *writer, const char *where, const struct cr_fault_block *block)
{
    char bytes[160];
    struct cr_text text = CR_TEXT(bytes);
    if (!block->known)
        return;
    cr_text_string(&text, where);
    cr_text_char(&text, ' ');
    cr_text_hex(&text, block->address);
    const uint64_t numbers[] = {block->size,       block->kind,   block->site,
                                block->freed_site, block->thread, block->freed_node};
    cr_text_string(&text, block->freed ? " freed" : " live");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        cr_text_char(&text, ' ');
        cr_text_decimal(&text, numbers[i]);
    }
    cr_writer_line(writer, "block", bytes);
}

static void write_blocks(struct cr_writer *writer, const struct cr_fault *fault)
{
    const struct cr_fault_block *chosen = cr_fault_block(fault);
    write_block(writer, "below", &fault->below);
    write_block(writer, "above", &fault->above);
    write_block(writer, "pointed", &fault->pointed);
    bool explains = fault->kind == CR_FAULT_UNMAPPED || fault->kind == CR_FAULT_FORBIDDEN ||
                    fault->kind == CR_FAULT_GUARDED || fault->kind == CR_FAULT_MISALIGNED ||
                    fault->kind == CR_FAULT_WILD_JUMP;
    bool inside = fault->kind == CR_FAULT_READ_ONLY || fault->kind == CR_FAULT_NOT_EXECUTABLE;
    if (chosen && (explains || (inside && cr_fault_is_inside(chosen, fault->address))))
        cr_writer_line(writer, "explained_by",
                       chosen == &fault->below   ? "below"
                       : chosen == &fault->above ? "above"
                                                 : "pointed");
}

/* ---- registers and code ---- */

static void write_registers(struct cr_writer *writer, const void *context)
{
    struct cr_os_register list[CR_OS_MOST_REGISTERS];
    size_t count = cr_os_list_registers(context, list);
    for (size_t i = 0; i < count; i++) {
        char bytes[48];
        struct cr_text text = CR_TEXT(bytes);
        cr_text_string(&text, list[i].name);
        cr_text_char(&text, ' ');
        cr_text_hex(&text, list[i].value);
        cr_writer_line(writer, "register", bytes);
    }
}

static void write_code(struct cr_writer *writer, const struct cr_fault *fault)
{
    char bytes[3 * CR_OS_CODE_BYTES + 1];
    struct cr_text text = CR_TEXT(bytes);
    for (size_t i = 0; i < fault->code_length; i++) {
        if (i)
            cr_text_char(&text, ' ');
        cr_text_char(&text, "0123456789abcdef"[fault->code_bytes[i] >> 4]);
        cr_text_char(&text, "0123456789abcdef"[fault->code_bytes[i] & 15]);
    }
    if (fault->code_length)
        cr_writer_line(writer, "instruction", bytes);
}

void cr_fault_write(struct cr_writer *writer, const struct cr_fault *fault, const void *context,
                    const struct cr_os_stop *others)
{
    write_access(writer, fault->access);
    write_code(writer, fault);
    write_blocks(writer, fault->handled ? fault->handled : fault);
    write_registers(writer, context);
    cr_fault_write_stacks(writer, fault, others);
}

/* ---- the memory map ---- */

struct maps {
    struct cr_writer writer;
    uint32_t lines;
    uint64_t left_out;
};

/* As /proc/PID/maps has it, without the columns that only it has. */
static bool write_mapping(void *context, const struct cr_os_mapping *mapping)
{
    static const char *const letters[] = {"r", "w", "x"}; /* of CR_OS_READ, CR_OS_WRITE and CR_OS_EXECUTE */
    struct maps *maps = context;
    char bytes[4096 + 96];
    struct cr_text text = CR_TEXT(bytes);
    if (maps->lines == MOST_MAPPINGS) {
        maps->left_out++;
        return true;
    }
    maps->lines++;
    cr_text_hex(&text, mapping->start);
    cr_text_char(&text, '-');
    cr_text_hex(&text, mapping->end);
    cr_text_char(&text, ' ');
    for (unsigned i = 0; i < 3; i++)
        cr_text_string(&text, mapping->flags >> i & 1 ? letters[i] : "-");
    cr_text_string(&text, mapping->flags & CR_OS_SHARED ? "s " : "p ");
    cr_text_hex(&text, mapping->offset);
    cr_text_char(&text, ' ');
    cr_text_shown(&text, mapping->name, "\\");
    cr_text_char(&text, '\n');
    cr_writer_string(&maps->writer, bytes);
    return true;
}

void cr_fault_write_maps(const char *folder)
{
    struct maps maps = {.lines = 0};
    const char *path = cr_final_path(folder, "maps");
    if (!path)
        return;
    cr_writer_open(&maps.writer, path);
    int refused = cr_os_each_mapping(write_mapping, &maps);
    if (maps.left_out)
        cr_writer_pair(&maps.writer, "left_out", maps.left_out);
    int error = cr_writer_close(&maps.writer);
    if (error || refused) {
        unlink(path);
        cr_recording_say("cannot write ", "maps", error ? error : refused);
    }
}
