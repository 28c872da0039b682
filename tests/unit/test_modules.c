/* state/modules: return addresses and the modules they lie in, compared with what the system's own tools say of the files; and a
 * plug-in that goes, with another one in its place. */
#include "state/modules.h"

#include "plugin.h"
#include "tap.h"
#include "tracker.h"

static const struct cr_module *module_of(uint32_t pc)
{
    uint64_t packed = CR_SECTION_ITEM(struct cr_pc, CR_SECTION_PCS, pc)->address_module;
    return CR_SECTION_ITEM(struct cr_module, CR_SECTION_MODULES, packed >> 48);
}

static uintptr_t address_in(uint32_t pc)
{
    return (uintptr_t)(CR_SECTION_ITEM(struct cr_pc, CR_SECTION_PCS, pc)->address_module & 0xffffffffffff);
}

static const char *path_of(const struct cr_module *module)
{
    return cr_section_items[CR_SECTION_STRINGS] + module->path;
}

/* The first word of what a command says about a module's file; empty: nothing. */
static const char *said(const char *command, const struct cr_module *module, const char *filter)
{
    static char word[200];
    char whole[1000];
    snprintf(whole, sizeof whole, "%s '%s' 2>/dev/null | %s", command, path_of(module), filter);
    FILE *pipe = popen(whole, "r");
    if (!pipe || fscanf(pipe, "%199s", word) != 1)
        word[0] = '\0';
    if (pipe)
        pclose(pipe);
    return word;
}

static bool has_build_id(const struct cr_module *module)
{
    char hex[2 * sizeof module->build_id + 1] = "";
    for (uint32_t i = 0; i < module->build_id_bytes; i++)
        snprintf(hex + strlen(hex), 3, "%02x", module->build_id[i]);
    return !strcmp(said("readelf -n", module, "sed -n 's/.*Build ID: //p'"), hex);
}

/* ---- what is there ---- */

static void test_items(void)
{
    uintptr_t address = (uintptr_t)test_items + 8;
    uint32_t pc = cr_modules_pc(address), other = cr_modules_pc(address + 1);
    ok(pc >= CR_MARKERS && pc == cr_modules_pc(address), "the same address is the same item");
    ok(other != pc && module_of(other) == module_of(pc), "another address is another, in the same module");
    ok(address_in(pc) == address && address_in(other) == address + 1, "items hold their addresses");
    pc = cr_modules_pc(0x123456789000);
    ok(module_of(pc) == module_of(0) && cr_modules_pc_stands(pc), "code made at run time is in no module, and stands");
}

/* The module of a function, by its name in the table of symbols: `nm` or `nm -D`. */
static void test_module(const char *what, uintptr_t function, const char *nm, const char *name, const char *path)
{
    uint32_t pc = cr_modules_pc(function + 1);
    const struct cr_module *module = module_of(pc);
    char filter[200], one[4096] = "", two[4096] = "";
    snprintf(filter, sizeof filter, "sed -n 's/^0*\\([0-9a-f]*\\) [TtWi] _*%s\\(@.*\\)*$/\\1/p'", name);
    const char *symbol = said(nm, module, filter);
    ok(realpath(path_of(module), one) && realpath(path, two) && !strcmp(one, two), "%s: the path is right", what);
    ok(function - module->start < module->end - module->start && module->loaded_ns && !module->unloaded_ns,
       "%s: it is there", what);
    if (!symbol[0])
        skip("%s: no symbols", what);
    else
        ok(function - module->bias == strtoull(symbol, NULL, 16), "%s: an address less the bias is the symbol's", what);
    if (!said("readelf -h", module, "cat")[0])
        skip("%s: no readelf", what);
    else
        ok(has_build_id(module), "%s: the build-id is the file's (%u bytes)", what, module->build_id_bytes);
}

static void test_loaded_modules(const char *program)
{
    Dl_info info = {0};
    void *function = dlsym(RTLD_DEFAULT, "a64l"); /* none that sanitizers replace */
    test_module("the program", (uintptr_t)cr_modules_pc, "nm", "cr_modules_pc", program);
    ok(function && dladdr(function, &info), "the C library is found");
    test_module("the C library", (uintptr_t)function, "nm -D", "a64l", info.dli_fname);
}

/* ---- what goes ---- */

static void test_plugins(void)
{
    struct plugin one, two;
    if (!plugin_build(&one, "one", 1) || !plugin_build(&two, "two", 2) || !plugin_open(&one)) {
        skip("no compiler here");
        return;
    }
    uint32_t own = cr_modules_pc((uintptr_t)test_plugins + 1), pc = cr_modules_pc(one.address),
             generation = cr_modules_generation;
    const struct cr_module *module = module_of(pc);
    ok(!strcmp(path_of(module), one.path) && !module->unloaded_ns, "a plug-in is known by its path");
    cr_modules_recheck();
    ok(!module->unloaded_ns && cr_modules_generation == generation, "while it is there a look changes nothing");
    ok(plugin_close(&one) && module->unloaded_ns >= module->loaded_ns, "when it has gone it has an end");
    ok(cr_modules_generation == generation + 1 && !cr_modules_pc_stands(pc), "and its addresses stand no more");
    ok(cr_modules_pc_stands(own) && cr_modules_pc((uintptr_t)test_plugins + 1) == own, "others' do");

    if (!plugin_open(&two) || two.address != one.address) {
        skip("the second plug-in came to lie elsewhere");
    } else {
        uint32_t again = cr_modules_pc(two.address);
        ok(again != pc && address_in(again) == address_in(pc),
           "another plug-in in its place: the same address is a new item");
        ok(!strcmp(path_of(module_of(again)), two.path), "in the new module");
        ok(!strcmp(path_of(module_of(pc)), one.path) && module->unloaded_ns, "while the old item stays in the old one");
        ok(cr_modules_pc(two.address) == again, "and is not found again");
    }
    plugin_close(&two);
    plugin_remove(&one);
    plugin_remove(&two);
}

int main(int count, char **arguments)
{
    if (count < 1 || !tracker_start())
        return 1;
    test_items();
    test_loaded_modules(arguments[0]);
    test_plugins();
    ok(tracker_end(), "nothing else was written");
    return tap_done();
}
