# Builds and checks crunch. `make help` lists the targets.
#
# GNU make 3.81 (macOS) suffices. Objects lie under build/<flavour>/, so that flavours never mix; a change of flags
# rebuilds what it concerns. V=1 shows the commands.

SHELL := /bin/bash
OS := $(shell uname -s)
ifneq ($(V),1)
  Q := @
endif
say = @printf '  %-7s %s\n' $(1) $(2)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

# The python that can import what crunch and its tests need: asked for once, and only by the targets that use it.
PYTHON = $(eval PYTHON := $$(shell python3 src/setup/ensure.py --python))$(PYTHON)

# ---- what is compiled, and how ---------------------------------------------------------------------------------------

ifeq ($(OS),Darwin)
  HOST := darwin
  NATIVE := macos
  LIBRARY := build/libcrunch.dylib
else
  HOST := linux
  NATIVE := linux
  LIBRARY := build/libcrunch.so
endif

# $(1): linux or darwin
sources = $(patsubst src/tracker/%,%,$(sort \
    $(wildcard $(addprefix src/tracker/,$(addsuffix /*.c,base services state events entry))) \
    $(wildcard src/tracker/platform/*_posix.c src/tracker/platform/*_$(1).c)))
# What unit tests link with: all that stands below the hooks.
below_entry = $(filter-out entry/% platform/interpose_%,$(1))

SOURCES := $(call sources,$(HOST))
DARWIN_SOURCES := $(call sources,darwin)

UTHASH_H := $(firstword $(wildcard $(addsuffix /uthash.h,$(UTHASH_DIR) /usr/include /usr/local/include)))
ifeq ($(UTHASH_H),)
  UTHASH_H := $(wildcard $(shell brew --prefix 2>/dev/null)/include/uthash.h)
endif
INSTALL_UTHASH := $(if $(filter darwin,$(HOST)),brew install uthash,apt-get install uthash-dev)
# Naming /usr/include again would put it before the compiler's own headers.
UTHASH = $(if $(UTHASH_H),$(addprefix -isystem ,$(filter-out /usr/include,$(patsubst %/,%,$(dir $(UTHASH_H))))),\
    $(error uthash.h is not found: install it with "$(INSTALL_UTHASH)", or say UTHASH_DIR=<its folder>))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
# -fno-builtin: the compiler must not turn a hook's body into a call of the function it stands for.
COMMON = -std=gnu11 -g -fPIC -fvisibility=hidden -fno-builtin $(WARNINGS) -Isrc/tracker $(UTHASH)
OPTIMISE := -O2
linux_CFLAGS := -D_GNU_SOURCE -ftls-model=initial-exec -pthread
linux_LDFLAGS := -shared -Wl,-soname,libcrunch.so -Wl,-z,now,-z,relro -Wl,--no-undefined -pthread -ldl
darwin_CFLAGS := -fno-omit-frame-pointer
darwin_LDFLAGS := -dynamiclib -install_name @rpath/libcrunch.dylib

ifeq ($(OS),Darwin)
  MAC_ARCHES := $(shell printf 'int x;' | $(CC) -arch x86_64 -arch arm64 -x c -c - -o /dev/null 2>/dev/null && \
      echo -arch x86_64 -arch arm64)
  darwin_CFLAGS += $(MAC_ARCHES) -mmacosx-version-min=10.13
  darwin_LDFLAGS += $(MAC_ARCHES) -mmacosx-version-min=10.13
endif

# $(1): flavour, $(2): compiler, $(3): flags, $(4): sources
define compile_rules
build/$(1)/%.o: src/tracker/%.c build/$(1)/flags
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
$(call compile_rules,$(1),$(2),$(3),$(SOURCES))
build/$(1)/$(notdir $(LIBRARY)): $(call objects,$(1),$(SOURCES))
	$$(if $(SOURCES),,$$(error no source found under src/tracker))
	$$(call say,LINK,$$@)
	$$(Q)$(2) $(3) $$^ $$($(HOST)_LDFLAGS) -o $$@
endef

.PHONY: FORCE
FORCE:

# ---- the library -----------------------------------------------------------------------------------------------------

.PHONY: all help
all: $(LIBRARY) ## build/libcrunch.so, on macOS build/libcrunch.dylib (the default)

help: ## this list
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

$(eval $(call library_rules,$(NATIVE),$(CC),$(OPTIMISE) $($(HOST)_CFLAGS)))

# Replaced by rename: a program that has the old library mapped keeps it.
$(LIBRARY): build/$(NATIVE)/$(notdir $(LIBRARY))
	@cp $< $@.new
	$(if $(filter darwin,$(HOST)),@codesign --force --sign - $@.new)
	@mv $@.new $@

# ---- checks ----------------------------------------------------------------------------------------------------------
# Code for developers is compiled with -Werror; a plain `make` is not stopped by a newer compiler's newer warning.

COMPILERS := $(foreach cc,gcc clang,$(if $(shell command -v $(cc)),$(cc)))
$(foreach cc,$(COMPILERS),$(eval $(call library_rules,strict-$(cc),$(cc),$(OPTIMISE) $($(HOST)_CFLAGS) -Werror)))

# Trap mode needs no runtime library, so the tracker itself can be preloaded with it.
UBSAN := -fsanitize=undefined -fsanitize-undefined-trap-on-error
$(eval $(call library_rules,ubsan,$(CC),$(OPTIMISE) $($(HOST)_CFLAGS) $(UBSAN)))

# The levels below the hooks run as ordinary programs, so the sanitizers can look at them.
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
plain_FLAGS := $(OPTIMISE)
asan_FLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
tsan_FLAGS := -O1 -fsanitize=thread
BELOW_ENTRY := $(call below_entry,$(SOURCES))

# $(1): plain, asan or tsan
define unit_rules
$(call compile_rules,$(1),$(CC),$($(1)_FLAGS) $($(HOST)_CFLAGS) -Werror,$(BELOW_ENTRY))
build/$(1)/unit/%: tests/unit/%.c tests/unit/tap.h $(call objects,$(1),$(BELOW_ENTRY))
	@mkdir -p $$(@D)
	$$(call say,CC,$$@)
	$$(Q)$(CC) $$(COMMON) $($(1)_FLAGS) $($(HOST)_CFLAGS) -Werror -MMD -MP $$(filter-out %.h,$$^) \
	    $$(if $$(filter linux,$(HOST)),-ldl) -o $$@
-include $(patsubst %,build/$(1)/unit/%.d,$(UNIT_TESTS))
endef
UNIT_FLAVOURS := plain asan tsan
$(foreach flavour,$(UNIT_FLAVOURS),$(eval $(call unit_rules,$(flavour))))
UNIT_PROGRAMS := $(foreach flavour,$(UNIT_FLAVOURS),$(addprefix build/$(flavour)/unit/,$(UNIT_TESTS)))
STRICT := $(foreach cc,$(COMPILERS),build/strict-$(cc)/$(notdir $(LIBRARY)))

.PHONY: check strict ubsan unit-programs unit e2e report lint bench
check: ## install what is missing, build with -Werror, run every test, end with a count
	@python3 src/setup/ensure.py check
	@$(MAKE) --no-print-directory all strict ubsan unit-programs
	@$(PYTHON) tests/run.py

strict: $(STRICT) ## build with every compiler here, warnings are errors
ubsan: build/ubsan/$(notdir $(LIBRARY))
unit-programs: $(UNIT_PROGRAMS)

unit: unit-programs ## tests of the C modules: plain, under ASan+UBSan, under TSan
	@$(PYTHON) tests/run.py unit
e2e: all ubsan ## tests of the whole: programs run under crunch
	@$(PYTHON) tests/run.py e2e
report: ## tests of the report
	@$(PYTHON) tests/run.py report
