"""The declarations for building without Apple's headers are those of Apple's headers, which zig brings."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from macho import read_image

ROOT = Path(__file__).resolve().parents[2]
SDK = ROOT / "src/tracker/platform/darwin_sdk"
TARGETS = {"x86_64": ("x86_64-macos.10.13", "x86_64-apple-macos10.13"),
           "arm64": ("aarch64-macos.11.0", "arm64-apple-macos11.0")}
STRUCTS = {
    "malloc_statistics_t": ("blocks_in_use", "size_allocated"), "vm_range_t": ("address", "size"),
    "struct timespec": ("tv_sec", "tv_nsec"),
    "struct timeval": ("tv_sec", "tv_usec"),
    "struct stat": ("st_dev", "st_mode", "st_ino", "st_uid", "st_size", "st_blocks"),
    "struct rusage": ("ru_utime", "ru_stime", "ru_maxrss"),
    "struct utsname": ("sysname", "release", "machine"),
    "struct sigaction": ("sa_handler", "sa_sigaction", "sa_mask", "sa_flags"),
    "fstore_t": ("fst_flags", "fst_posmode", "fst_offset", "fst_length", "fst_bytesalloc"),
    "siginfo_t": ("si_signo", "si_errno", "si_code", "si_pid", "si_uid", "si_status", "si_addr", "si_value", "si_band"),
    "stack_t": ("ss_sp", "ss_size", "ss_flags"),
    "Dl_info": ("dli_fname", "dli_fbase", "dli_sname", "dli_saddr"),
    "struct mach_header": ("magic", "ncmds", "sizeofcmds"),
    "struct load_command": ("cmd", "cmdsize"),
    "struct uuid_command": ("cmd", "uuid"),
    "struct rlimit": ("rlim_cur", "rlim_max"),
    "vm_address_t": (), "vm_size_t": (),
    "struct mach_header_64": ("magic", "ncmds", "sizeofcmds"),
    "struct segment_command_64": ("cmd", "cmdsize", "segname", "vmaddr", "vmsize"),
    "struct task_dyld_info": ("all_image_info_addr",),
    "struct mach_task_basic_info": ("resident_size", "resident_size_max"),
    "struct vm_region_submap_info_64": ("protection", "offset", "user_tag", "external_pager", "share_mode", "is_submap"),
    "struct thread_identifier_info": ("thread_id",), "thread_act_array_t": (), "thread_state_t": (), "thread_info_t": (),
    "struct proc_threadinfo": ("pth_name",), "struct proc_fdinfo": ("proc_fd", "proc_fdtype"),
    "struct proc_fileinfo": ("fi_openflags", "fi_status", "fi_offset", "fi_guardflags"),
    "mach_timebase_info_data_t": ("numer", "denom"),
    "ucontext_t": ("uc_sigmask", "uc_stack", "uc_link", "uc_mcontext"),
    "mach_msg_type_number_t": (), "task_info_t": (), "kern_return_t": (),
    "pthread_mutex_t": (), "pthread_attr_t": (), "pthread_once_t": (), "pthread_mutexattr_t": (),
    "pthread_t": (), "sigjmp_buf": (), "pthread_key_t": (), "sigset_t": (), "off_t": (), "mode_t": (), "time_t": (), "ssize_t": (),
}
CONTEXT = "__typeof__(*((ucontext_t *)0)->uc_mcontext)"
BEGUN = {  # of these the headers declare no more than the tracker uses
    "malloc_zone_t": ("size", "malloc", "realloc", "zone_name", "batch_malloc", "introspect", "version", "memalign", "free_definite_size"),
    "malloc_introspection_t": ("enumerator", "good_size", "force_lock", "statistics", "zone_locked", "reinit_lock"),
    "struct task_vm_info": ("phys_footprint",),
    "struct dyld_all_image_infos": ("version", "infoArray", "dyldImageLoadAddress"),
    "FILE": ("_p", "_bf._base", "_bf._size"),
    CONTEXT: ("__es",),
}
EXCEPTION = {"x86_64": ("__es.__trapno", "__es.__err", "__es.__faultvaddr", "__ss", "__ss.__rip", "__ss.__rflags"),
             "arm64": ("__es.__far", "__es.__esr", "__ss", "__ss.__cpsr")}
REAL = ("assert crt_externs dlfcn errno fcntl libproc pthread setjmp signal stdio stdlib string time unistd mach-o/dyld "
        "mach-o/dyld_images mach-o/loader mach/mach mach/mach_time malloc/malloc sys/file sys/mman sys/resource sys/stat "
        "sys/time sys/types sys/ucontext sys/utsname sys/wait").split()

pytestmark = [
    pytest.mark.skipif(not importlib.util.find_spec("ziglang"), reason="zig is not here"),
    pytest.mark.skipif(not shutil.which("clang"), reason="clang is not here"),
]


def declarations() -> str:
    return "\n".join(path.read_text() for path in sorted(SDK.glob("*.h")))


def constants() -> list:
    """Names of all that the headers define as a number."""
    return re.findall(r"^#define ([A-Z]\w+) (?:\(?-?\d|0x)\w*\)?u?(?: /\*.*)?$", declarations(), re.MULTILINE) + \
        re.findall(r"^    (CLOCK_\w+) = ", declarations(), re.MULTILINE)


def functions() -> list:
    """The prototypes, without what the headers say of linking."""
    found = re.findall(r"^(?!typedef|#|extern)[\w ]+[ *(]+\w+\(.*\).*;$", declarations(), re.MULTILINE)
    return [re.sub(r" CR_\w+(\(\w+\))?;", ";", prototype) for prototype in found]


def run(command: list, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("architecture", TARGETS)
def test_sizes_offsets_and_values(architecture, tmp_path):
    names = constants()
    assert len(names) > 50
    facts = [f"(long){name}" for name in names] + [f"sizeof({struct})" for struct in STRUCTS]
    for struct, fields in [*STRUCTS.items(), *BEGUN.items(), (CONTEXT, EXCEPTION[architecture])]:
        facts += [f"__builtin_offsetof({struct}, {field})" for field in fields]
    body = "\nextern const long facts[];\nconst long facts[] = {\n" + ",\n".join(facts) + "};\n"
    real = "".join(f"#include <{name}.h>\n" for name in REAL)
    (tmp_path / "real.c").write_text(real + body)
    (tmp_path / "ours.c").write_text(f'#include "{SDK / "darwin_mach.h"}"\n' + body)
    zig, clang = TARGETS[architecture]
    run([sys.executable, "-m", "ziglang", "cc", "-target", zig, "-c", "real.c"], tmp_path)
    run(["clang", "-target", clang, "-nostdlibinc", "-c", "ours.c"], tmp_path)
    values = []
    for name in ("real.o", "ours.o"):
        image = read_image((tmp_path / name).read_bytes())
        contents = image.contents(image.section("__TEXT", "__const"))
        values.append([int.from_bytes(contents[i:i + 8], "little", signed=True) for i in range(0, len(contents), 8)])
    assert len(values[0]) == len(facts)
    assert [(fact, theirs, ours) for fact, theirs, ours in zip(facts, *values) if theirs != ours] == []


def name_of(prototype: str) -> str:
    return re.search(r"(\w+)\(", prototype.replace("(*", "", 1)).group(1)


@pytest.mark.parametrize("architecture", TARGETS)
def test_functions(architecture, tmp_path):
    """Declared again after the real headers, a function of another type is an error; linked, one that is not there."""
    prototypes = functions()
    assert len(prototypes) > 50
    real = "".join(f"#include <{name}.h>\n" for name in REAL)
    table = "void *const all[] = {" + ", ".join(f"(void *){name_of(prototype)}" for prototype in prototypes) + "};\n"
    (tmp_path / "again.c").write_text(real + "\n".join(prototypes) + "\n" + table)
    run([sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[architecture][0], "-U_FORTIFY_SOURCE",
         "-D_FORTIFY_SOURCE=0", "-O2", "-dynamiclib", "again.c", "-o", "again.dylib"], tmp_path)


@pytest.mark.parametrize("architecture", TARGETS)
def test_what_is_declared_can_be_linked(architecture, tmp_path):
    """libSystem.tbd names every function of the headers, as the architecture calls it."""
    table = ", ".join(f"(void *){name_of(prototype)}" for prototype in functions())
    (tmp_path / "all.c").write_text(f'#include "{SDK / "darwin_mach.h"}"\nvoid *const all[] = {{{table}}};\n')
    run(["clang", "-target", TARGETS[architecture][1], "-nostdlibinc", "-fuse-ld=lld", "-nostdlib", "-dynamiclib",
         "all.c", str(SDK / "libSystem.tbd"), "-o", "all.dylib"], tmp_path)
