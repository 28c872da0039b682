# Builds and checks crunch. `make help` lists the targets.
#
# GNU make 3.81 (macOS) suffices. Objects lie under build/<flavour>/, so that flavours never mix; a change of flags
# rebuilds what it concerns. V=1 shows the commands.

SHELL := /bin/bash
OS := $(shell uname -s)
ifneq ($(V),1)
  Q := @
endif
comma := ,
say = @printf '  %-7s %s\n' $(1) $(2)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

# The python that can import what crunch and its tests need: asked for once, and only by the targets that use it. (The answer has
# a variable of its own: make 3.81 goes on reading the text of a variable that is set anew while it is expanded.)
PYTHON = $(or $(PYTHON_FOUND),$(eval PYTHON_FOUND := $$(shell python3 src/setup/ensure.py --python))$(PYTHON_FOUND))

# ---- what is compiled, and how ---------------------------------------------------------------------------------------

ifeq ($(OS),Darwin)
  HOST := darwin
  NATIVE := macos
  LIBRARY := build/libcrunch.dylib
  CHECK_LIBRARY := build/libcrunch-check.dylib
else
  HOST := linux
  NATIVE := linux
  LIBRARY := build/libcrunch.so
  CHECK_LIBRARY := build/libcrunch-check.so
endif

# $(1): linux or darwin
sources = $(patsubst src/tracker/%,%,$(sort \
    $(wildcard $(addprefix src/tracker/,$(addsuffix /*.c,base services state events entry))) \
    $(filter-out src/tracker/platform/access_%,$(wildcard src/tracker/platform/*_posix.c src/tracker/platform/*_$(1).c))))
# And of the library that --check preloads as well.
access_sources = $(patsubst src/tracker/%,%,$(sort $(wildcard src/tracker/access/*.c src/tracker/platform/access_$(1).c)))
# What unit tests link with: all that stands below the hooks.
below_entry = $(filter-out entry/% platform/interpose_%,$(1))

SOURCES := $(call sources,$(HOST))
DARWIN_SOURCES := $(call sources,darwin)
ACCESS_SOURCES := $(call access_sources,$(HOST))
DARWIN_ACCESS_SOURCES := $(call access_sources,darwin)

# On a Mac: of Homebrew (Apple silicon, Intel), of MacPorts, of a Homebrew elsewhere, or what the set-up has fetched.
UTHASH_H := $(firstword $(wildcard $(addsuffix /uthash.h,$(UTHASH_DIR) /usr/include /usr/local/include /opt/homebrew/include \
    /opt/local/include build/uthash)))
ifeq ($(UTHASH_H),)
  UTHASH_H := $(wildcard $(shell brew --prefix 2>/dev/null)/include/uthash.h)
endif
INSTALL_UTHASH = $(if $(filter darwin,$(HOST)),$(if $(shell command -v brew 2>/dev/null),brew install uthash,make demo),apt-get install uthash-dev)

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
# -fno-builtin: the compiler must not turn a hook's body into a call of the function it stands for.
# No fortified macros: they would stand for functions that the tracker bans.
COMMON = -std=gnu11 -g -fPIC -fvisibility=hidden -fno-builtin -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=0 $(WARNINGS) \
    -Isrc/tracker -isystem build/include
OPTIMISE := -O2
linux_CFLAGS := -D_GNU_SOURCE -ftls-model=initial-exec -pthread
linux_LDFLAGS = -shared -Wl,-soname,$(@F) -Wl,-z,now,-z,relro -Wl,--no-undefined -pthread -ldl
darwin_CFLAGS := -fno-omit-frame-pointer
darwin_LDFLAGS = -dynamiclib -install_name @rpath/$(@F)

ifeq ($(OS),Darwin)
  # Asked without an output: that of two architectures is put together beside its place, which /dev does not allow.
  MAC_ARCHES := $(shell printf '\043include <stdlib.h>\n' | $(CC) -arch x86_64 -arch arm64 -x c -fsyntax-only - 2>/dev/null && \
      echo -arch x86_64 -arch arm64)
  darwin_CFLAGS += $(MAC_ARCHES) -mmacosx-version-min=10.13
  darwin_LDFLAGS += $(MAC_ARCHES) -mmacosx-version-min=10.13
  # Older dyld binds a function when it is first called, under its lock: not while other threads are stopped.
  ifneq ($(filter 10.% 11.%,$(shell sw_vers -productVersion)),)
    darwin_LDFLAGS += -Wl,-bind_at_load
  endif
endif

# $(1): flavour, $(2): compiler, $(3): flags, $(4): sources
define compile_rules
build/$(1)/%.o: src/tracker/%.c build/$(1)/flags | build/include/uthash.h
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$(2) $$(COMMON) $(3) -MMD -MP -c $$< -o $$@

build/$(1)/flags: FORCE
	@mkdir -p $$(@D)
	@echo '$(2) $$(COMMON) $(3)' | cmp -s - $$@ || echo '$(2) $$(COMMON) $(3)' > $$@

-include $(patsubst %.c,build/$(1)/%.d,$(4))
endef
objects = $(patsubst %.c,build/$(1)/%.o,$(2))

# $(1): flavour, $(2): compiler, $(3): flags
define library_rules
$(call compile_rules,$(1),$(2),$(3),$(SOURCES) $(ACCESS_SOURCES))
build/$(1)/$(notdir $(LIBRARY)): $(call objects,$(1),$(SOURCES))
build/$(1)/$(notdir $(CHECK_LIBRARY)): $(call objects,$(1),$(ACCESS_SOURCES))
build/$(1)/$(notdir $(LIBRARY)) build/$(1)/$(notdir $(CHECK_LIBRARY)):
	$$(if $(SOURCES),,$$(error no source found under src/tracker))
	$$(call say,LINK,$$@)
	$$(Q)$(2) $(3) $$^ $$($(HOST)_LDFLAGS) -o $$@
endef

.PHONY: FORCE
FORCE:

# A folder with nothing else in it: beside uthash.h lie headers of the building machine, wrong for another system.
build/include/uthash.h:
	$(if $(UTHASH_H),,$(error uthash.h is not found: install it with "$(INSTALL_UTHASH)", or say UTHASH_DIR=<its folder>))
	@mkdir -p $(@D)
	@ln -sf $(abspath $(UTHASH_H)) $@

# ---- the library -----------------------------------------------------------------------------------------------------

.PHONY: all help
all: $(LIBRARY) $(CHECK_LIBRARY) ## build/libcrunch.so, on macOS build/libcrunch.dylib (the default)

help: ## this list
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

$(eval $(call library_rules,$(NATIVE),$(CC),$(OPTIMISE) $($(HOST)_CFLAGS)))

# Replaced by rename: a program that has the old library mapped keeps it.
$(LIBRARY) $(CHECK_LIBRARY): build/%: build/$(NATIVE)/%
	@cp $< $@.new
	$(if $(filter darwin,$(HOST)),@codesign --force --sign - $@.new)
	@mv $@.new $@

# ---- checks ----------------------------------------------------------------------------------------------------------
# Code for developers is compiled with -Werror; a plain `make` is not stopped by a newer compiler's newer warning.

COMPILERS := $(foreach cc,$(if $(filter linux,$(HOST)),gcc) clang,$(if $(shell command -v $(cc) 2>/dev/null),$(cc)))
$(foreach cc,$(COMPILERS),$(eval $(call library_rules,strict-$(cc),$(cc),$(OPTIMISE) $($(HOST)_CFLAGS) -Werror)))

# Trap mode needs no runtime library, so the tracker itself can be preloaded with it.
UBSAN := -fsanitize=undefined -fsanitize-undefined-trap-on-error
$(eval $(call library_rules,ubsan,$(CC),$(OPTIMISE) $($(HOST)_CFLAGS) $(UBSAN)))

# As on systems whose C library has no _dl_find_object.
ifeq ($(HOST),linux)
$(eval $(call library_rules,own-modules,$(CC),$(OPTIMISE) $(linux_CFLAGS) -DCR_UNWIND_OWN_MODULES -Werror))
endif

# The levels below the hooks run as ordinary programs, so the sanitizers can look at them.
LINUX_TESTS := test_guard test_os_threads
UNIT_TESTS := $(filter-out $(if $(filter darwin,$(HOST)),$(LINUX_TESTS)),$(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c))))
plain_FLAGS := $(OPTIMISE)
asan_FLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
tsan_FLAGS := -O1 -fsanitize=thread
BELOW_ENTRY := $(call below_entry,$(SOURCES))

# $(1): plain, asan, tsan or aarch64; $(2): compiler
define unit_rules
$(call compile_rules,$(1),$(2),$($(1)_FLAGS) $($(HOST)_CFLAGS) -Werror,$(BELOW_ENTRY))
build/$(1)/unit/%: tests/unit/%.c tests/unit/tap.h $(call objects,$(1),$(BELOW_ENTRY))
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$(2) $$(COMMON) $($(1)_FLAGS) $($(HOST)_CFLAGS) -Werror -MMD -MP $$(filter-out %.h,$$^) \
	    $$(if $$(filter linux,$(HOST)),-ldl) -o $$@
-include $(patsubst %,build/$(1)/unit/%.d,$(UNIT_TESTS))
endef
UNIT_FLAVOURS := plain asan tsan
$(foreach flavour,$(UNIT_FLAVOURS),$(eval $(call unit_rules,$(flavour),$(CC))))
UNIT_PROGRAMS := $(foreach flavour,$(UNIT_FLAVOURS),$(addprefix build/$(flavour)/unit/,$(UNIT_TESTS)))
STRICT := $(foreach cc,$(COMPILERS),$(addprefix build/strict-$(cc)/,$(notdir $(LIBRARY) $(CHECK_LIBRARY))))

# The same for the other architecture of Linux, to run under qemu-user.
AARCH64_CC := aarch64-linux-gnu-gcc
aarch64_FLAGS := $(OPTIMISE)
ifeq ($(HOST),linux)
$(eval $(call unit_rules,aarch64,$(AARCH64_CC)))
$(eval $(call library_rules,aarch64-library,$(AARCH64_CC),$(OPTIMISE) $(linux_CFLAGS) -Werror))

.PHONY: aarch64
aarch64: build/aarch64-library/libcrunch.so $(addprefix build/aarch64/unit/,$(filter test_unwind%,$(UNIT_TESTS))) ## the library for the other architecture of Linux, cross-built, with the unwinder's tests
endif

.PHONY: check built-check strict ubsan unit-programs unit e2e report
# The set-up is Python's; a bare system may have none, or one without its library. $(1): demo or check
python_here := python3 -c 'import shutil, venv' 2>/dev/null
set_up = @$(python_here) || { apt-get update -q && apt-get install -qy --no-install-recommends python3; } >/dev/null 2>&1; \
    $(python_here) || { echo 'crunch needs Python 3.9 or newer; run this first: sudo apt-get install python3'; exit 1; }; \
    python3 src/setup/ensure.py $(1)

check: ## install what is missing, build with -Werror, run every test, end with a count
	$(call set_up,check)
	@$(MAKE) --no-print-directory -j2 built-check
built-check: all strict ubsan unit-programs
	@$(if $(filter darwin,$(HOST)),,$(if $(DARWIN_CC),$(MAKE) --no-print-directory darwin))
	@$(PYTHON) tests/run.py

strict: $(STRICT) ## build with every compiler here, warnings are errors
ubsan: build/ubsan/$(notdir $(LIBRARY))
unit-programs: $(UNIT_PROGRAMS)

unit: unit-programs ## tests of the C modules: plain, under ASan+UBSan, under TSan
	@$(PYTHON) tests/run.py unit
e2e: all ubsan ## tests of the whole: programs run under crunch
	@$(PYTHON) tests/run.py e2e
report: all ## tests of the report
	@$(PYTHON) tests/run.py report

LINT_FILES = $(shell find src tests -name '*.[ch]')
LINT_SOURCES = $(addprefix src/tracker/,$(SOURCES) $(ACCESS_SOURCES))
# $(1): tool, $(2): arguments
lint_with = $(call say,LINT,$(1)); if command -v $(1) >/dev/null; then $(1) $(2); else echo "  $(1) is not here: skipped"; fi

# The library without what it keeps over time, for a comparison. $(1): flavour, $(2): flags, $(3): what is left out
define bench_rules
$(call compile_rules,$(1),$(CC),$(OPTIMISE) $($(HOST)_CFLAGS) $(2),$(SOURCES))
build/$(1)/$(notdir $(LIBRARY)): $(call objects,$(1),$(filter-out $(3),$(SOURCES)))
	$$(call say,LINK,$$@)
	$$(Q)$(CC) $(OPTIMISE) $($(HOST)_CFLAGS) $$^ $$($(HOST)_LDFLAGS) -o $$@
endef
$(eval $(call bench_rules,untimed,-DCR_WITHOUT_TIMELINE,))
$(eval $(call bench_rules,unlived,-DCR_WITHOUT_TIMELINE -DCR_WITHOUT_HISTOGRAMS,state/histograms.c))
BENCH_LIBRARIES := $(addsuffix /$(notdir $(LIBRARY)),build/untimed build/unlived)

.PHONY: lint bench
# cppcheck takes what a function pointer fills for uninitialised; the compilers see such mistakes better.
lint: ## clang-format, cppcheck and clang-tidy, as far as they are here
	$(if $(LINT_FILES),,$(error no C file found to look at))
	$(call lint_with,clang-format,--dry-run -Werror $(LINT_FILES))
	$(call lint_with,cppcheck,--quiet --std=c11 --error-exitcode=1 --inline-suppr --suppress=missingIncludeSystem \
	    --suppress=uninitvar --suppress=ctuuninitvar --enable=warning$(comma)performance$(comma)portability -D__linux__ -D__x86_64__ -Isrc/tracker $(LINT_SOURCES))
	$(call lint_with,clang-tidy,--quiet $(LINT_SOURCES) -- $(COMMON) $($(HOST)_CFLAGS) 2>/dev/null)

bench: all $(BENCH_LIBRARIES) ## time and memory against the bare programs; a large report
	@$(PYTHON) tests/bench/bench.py
	@$(PYTHON) tests/bench/report.py

# ---- macOS library from any machine ----------------------------------------------------------------------------------

.PHONY: darwin
ifeq ($(HOST),darwin)
darwin: all
else

# Which compiler makes it: zig, which brings Apple's headers, or else Debian's clang and lld with the few declarations
# of darwin_sdk. Asked for once, and only by the targets that use it.
find_darwin_cc = $(PYTHON) -c 'import ziglang; print("zig")' 2>/dev/null || \
    { test -x "$$(clang -print-prog-name=ld64.lld 2>/dev/null)" && echo clang; }
DARWIN_CC = $(if $(DARWIN_CC_ASKED),,$(eval DARWIN_CC_ASKED := yes)$(eval DARWIN_CC_FOUND := $$(shell $$(find_darwin_cc))))$(DARWIN_CC_FOUND)

zig_cache = $(CURDIR)/build/zig-cache
zig_cc = ZIG_GLOBAL_CACHE_DIR="$(zig_cache)" ZIG_LOCAL_CACHE_DIR="$(zig_cache)" $(PYTHON) -m ziglang cc
zig_arm64 = $(zig_cc) -target aarch64-macos.11.0
zig_x86_64 = $(zig_cc) -target x86_64-macos.10.13
# Nothing but dyld refers to __interpose, so the linker must not look for dead code.
zig_LDFLAGS := -Wl,--no-gc-sections

DARWIN_SDK := src/tracker/platform/darwin_sdk
DARWIN_HEADERS := assert.h crt_externs.h dlfcn.h errno.h fcntl.h libproc.h pthread.h signal.h stdio.h setjmp.h stdlib.h string.h \
    time.h unistd.h mach-o/dyld.h mach-o/dyld_images.h mach-o/loader.h mach/mach.h mach/mach_time.h malloc/malloc.h \
    sys/file.h sys/mman.h sys/resource.h sys/stat.h sys/types.h sys/ucontext.h sys/utsname.h sys/wait.h
clang_arm64 := clang -target arm64-apple-macos11.0
clang_x86_64 := clang -target x86_64-apple-macos10.13
clang_CFLAGS := -nostdlibinc -isystem build/darwin/sdk
clang_LDFLAGS := -fuse-ld=lld -nostdlib $(DARWIN_SDK)/libSystem.tbd

# Every standard header is a way to the one that has it all.
build/darwin/sdk/made: $(wildcard $(DARWIN_SDK)/*) Makefile
	@for name in $(DARWIN_HEADERS); do mkdir -p build/darwin/sdk/$$(dirname $$name) && \
	    echo '#include "$(CURDIR)/$(DARWIN_SDK)/darwin_mach.h"' > build/darwin/sdk/$$name; done
	@touch $@

# $(1): architecture
cross_compiler = $(or $($(DARWIN_CC)_$(1)),\
    $(error the macOS library is cross-built with zig (PyPI: ziglang) or with clang and lld; none is here))
cross_CFLAGS = $(OPTIMISE) $(darwin_CFLAGS) $($(DARWIN_CC)_CFLAGS) -Werror

# $(1): architecture
define darwin_rules
$(call compile_rules,darwin/$(1),$$(call cross_compiler,$(1)),$$(cross_CFLAGS),$(DARWIN_SOURCES) $(DARWIN_ACCESS_SOURCES))
$(call objects,darwin/$(1),$(DARWIN_SOURCES) $(DARWIN_ACCESS_SOURCES)): build/darwin/sdk/made
build/darwin/$(1)/libcrunch.dylib: $(call objects,darwin/$(1),$(DARWIN_SOURCES))
build/darwin/$(1)/libcrunch-check.dylib: $(call objects,darwin/$(1),$(DARWIN_ACCESS_SOURCES))
build/darwin/$(1)/libcrunch.dylib build/darwin/$(1)/libcrunch-check.dylib:
	$$(call say,LINK,$$@)
	$$(Q)$$(call cross_compiler,$(1)) $(OPTIMISE) -g $$^ $$(darwin_LDFLAGS) $$($$(DARWIN_CC)_LDFLAGS) -o $$@
endef
$(foreach arch,arm64 x86_64,$(eval $(call darwin_rules,$(arch))))

darwin: build/darwin/libcrunch.dylib build/darwin/libcrunch-check.dylib ## the universal macOS libraries, cross-built with zig or clang
build/darwin/%.dylib: build/darwin/x86_64/%.dylib build/darwin/arm64/%.dylib src/setup/universal.py
	$(call say,UNITE,$@)
	$(Q)$(PYTHON) src/setup/universal.py $@ $(filter %.dylib,$^)
endif

# ---- for people ------------------------------------------------------------------------------------------------------

.PHONY: demo built-demo install clean
demo: ## install what is missing, build, run the README's example under crunch
	$(call set_up,demo)
	@$(MAKE) --no-print-directory built-demo
# The example ends by SIGSEGV, and so crunch by 128 + 11; on macOS by SIGBUS (10) where the address is one that something has reserved.
DEMO_ENDS := 139$(if $(filter darwin,$(HOST)), 138)
built-demo: all build/demo/a.out
	@cd build/demo && status=0; python3 ../../crunch.py a.out || status=$$?; \
	case ' $(DEMO_ENDS) ' in *" $$status "*) ;; *) echo "demo: crunch ended with status $$status, not $(DEMO_ENDS)"; exit 1;; esac
	@echo; echo "demo: the report is $(CURDIR)/build/demo/crunch_out/report.html"

build/demo/a.out: tests/targets/example.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -g -O0 $< -o $@

install: ## install crunch, asking where
	@python3 install.py

clean: ## remove what was built
	@rm -rf build
