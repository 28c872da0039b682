/* modules.c - see modules.h. */
#include "state/modules.h"

#include <string.h>

#include "base/unwind.h"
#include "platform/platform.h"
#include "services/recording.h"
#include "services/table.h"
#include "state/heap_sections.h"
#include "base/banned.h"

#define KNOWN_MOST ((uint32_t)CR_PC_SECTION - 1) /* a pc item has 16 bits for its module */

struct cr_lock cr_modules_lock = CR_LOCK_INIT;
_Atomic uint32_t cr_modules_generation;

/* The loader's identities of the modules entered, parallel to the section. */
static const void *identity[KNOWN_MOST + 1];
static struct cr_table pcs; /* return address -> its latest item of PCS */

static struct cr_module *module_item(uint32_t i) { return CR_SECTION_ITEM(struct cr_module, CR_SECTION_MODULES, i); }
static uint32_t module_count(void) { return (uint32_t)atomic_load(&cr_recording->sections[CR_SECTION_MODULES].used); }

static uint64_t since_start(void)
{
    uint64_t ns = cr_os_now_ns() - cr_recording->start_ns;
    return ns ? ns : 1; /* 0 means never */
}

static uint32_t find_loaded(uintptr_t address)
{
    for (uint32_t i = module_count(); i-- > 1;) {
        const struct cr_module *module = module_item(i);
        if (address - module->start < module->end - module->start && !module->unloaded_ns)
            return i;
    }
    return 0;
}

/* Whether the module found now is the one entered. By its place and identity alone: to read its build-id would be to read memory
 * that another thread may be unmapping. */
static bool is_same(uint32_t i, const struct cr_os_module *found)
{
    const struct cr_module *module = module_item(i);
    return identity[i] == found->identity && module->start == found->start && module->end == found->end;
}

static uint32_t enter(const struct cr_os_module *found)
{
    struct cr_module module = {
        .start = found->start, .end = found->end, .bias = found->bias, .loaded_ns = since_start()};
    if (module_count() > KNOWN_MOST)
        return 0;
    module.path = cr_recording_append(CR_SECTION_STRINGS, found->path, (uint32_t)strlen(found->path) + 1);
    if (module.path == CR_NO_ITEM)
        return 0;
    module.build_id_bytes =
        found->build_id_bytes < sizeof module.build_id ? found->build_id_bytes : (uint32_t)sizeof module.build_id;
    memcpy(module.build_id, found->build_id, module.build_id_bytes);
    uint32_t i = cr_recording_append(CR_SECTION_MODULES, &module, 1);
    if (i == CR_NO_ITEM)
        return 0;
    identity[i] = found->identity;
    return i;
}

/* The item of the module at an address; 0: none, code made at run time. */
static uint32_t module_at(uintptr_t address)
{
    uint32_t i = find_loaded(address);
    struct cr_os_module found;
    if (i || !cr_os_find_module(address, &found))
        return i;
    cr_os_describe_module(&found);
    return enter(&found);
}

static uint32_t enter_pc(uintptr_t address, uint32_t module)
{
    uint64_t packed = ((uint64_t)address & CR_PC_ADDRESS) | (uint64_t)module << CR_PC_BITS;
    uint32_t i = cr_recording_append(CR_SECTION_PCS, &packed, 1);
    if (i == CR_NO_ITEM)
        return i;
    return cr_table_set(&pcs, address, (void *)(uintptr_t)i) ? CR_NO_ITEM : i;
}

static uint32_t look_up(uintptr_t address)
{
    bool code = !cr_heap_section_is(address);
    uint32_t module = code ? module_at(address - 1) : CR_PC_SECTION; /* the call, not what may be the next function */
    uint32_t i = (uint32_t)(uintptr_t)cr_table_find(&pcs, address);
    if (!i || CR_SECTION_ITEM(struct cr_pc, CR_SECTION_PCS, i)->address_module >> CR_PC_BITS != module)
        i = enter_pc(address, module);
    return i;
}

/* The answers given last: a call tree has many nodes for one address. */
#define RECENT_BITS 14
static struct {
    uintptr_t address;
    uint32_t item, generation;
} recent[1u << RECENT_BITS];

uint32_t cr_modules_pc(uintptr_t address)
{
    uint32_t generation = atomic_load(&cr_modules_generation);
    size_t place = (uint64_t)address * UINT64_C(0x9e3779b97f4a7c15) >> (64 - RECENT_BITS);
    cr_lock(&cr_modules_lock);
    bool known = recent[place].item && recent[place].address == address && recent[place].generation == generation;
    uint32_t i = known ? recent[place].item : look_up(address);
    if (i != CR_NO_ITEM) {
        recent[place].address = address;
        recent[place].item = i;
        recent[place].generation = generation;
    }
    cr_unlock(&cr_modules_lock);
    return i;
}

bool cr_modules_pc_stands(uint32_t pc)
{
    uint32_t module = (uint32_t)(CR_SECTION_ITEM(struct cr_pc, CR_SECTION_PCS, pc)->address_module >> CR_PC_BITS);
    return !module || module == CR_PC_SECTION || !module_item(module)->unloaded_ns;
}

/* enum cr_os_role of each module, found when first asked for, plus one. */
static uint8_t role_and_one[KNOWN_MOST + 1];

static enum cr_os_role role_of(uint32_t pc)
{
    uint32_t module = (uint32_t)(CR_SECTION_ITEM(struct cr_pc, CR_SECTION_PCS, pc)->address_module >> CR_PC_BITS);
    if (!module || module == CR_PC_SECTION)
        return CR_OS_OTHER;
    if (!role_and_one[module])
        role_and_one[module] =
            (uint8_t)(1 + cr_os_role(cr_section_items[CR_SECTION_STRINGS] + module_item(module)->path));
    return (enum cr_os_role)(role_and_one[module] - 1);
}

bool cr_modules_initialises(uint32_t site)
{
    const struct cr_site *place = cr_site(site);
    uint32_t caller = CR_SECTION_ITEM(struct cr_node, CR_SECTION_NODES, place->parent)->pc;
    return role_of(place->pc) == CR_OS_RUNTIME && caller >= CR_MARKERS && role_of(caller) == CR_OS_LOADER;
}

void cr_modules_recheck(void)
{
    bool gone = false;
    cr_unwind_modules_refresh();
    cr_lock(&cr_modules_lock);
    for (uint32_t i = module_count(); i-- > 1;) {
        struct cr_module *module = module_item(i);
        struct cr_os_module found;
        if (module->unloaded_ns || (cr_os_find_module(module->start, &found) && is_same(i, &found)))
            continue;
        module->unloaded_ns = since_start();
        gone = true;
    }
    if (gone) {
        cr_unwind_flush();
        atomic_fetch_add(&cr_modules_generation, 1);
    }
    cr_unlock(&cr_modules_lock);
}
