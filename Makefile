# Barque's build. `make` builds build/barque; `make help` lists the verbs.
#
# Each folder in FOLDERS is one archive; LINK_<folder> names the archives it may link, which are
# the floors below it (tools/layers.txt says the same for includes, and `make lint` checks that).
# SAN=address,undefined or SAN=thread, BUGS=1 (known bugs, lib/base/bug.h) and CC=clang choose a
# build folder of their own.

comma := ,
ifeq ($(origin CC),default)
CC := gcc
endif
SAN ?=
BUGS ?=
MODE := $(if $(filter gcc,$(CC)),,$(notdir $(CC)))$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(COV),-cov)$(if $(BUGS),-recall)
B := build$(if $(MODE),/$(patsubst -%,%,$(MODE)))

VERSION := 0.1.0
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
        -Wvla -Wwrite-strings -Wconversion -Wno-sign-conversion -Wundef -Wno-format-zero-length
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE
# Sanitizers and known bugs take longer to compile than to run. (gcc knows too little of lengths at -O1.)
OPT ?= $(if $(SAN)$(BUGS),-O1 $(if $(filter gcc,$(CC)),-Wno-format-truncation),-O2) -g
CFLAGS_ALL := -std=gnu11 -D_GNU_SOURCE $(WARN) $(OPT) $(HARDEN) -fno-omit-frame-pointer \
              -iquote . -iquote $(B)/gen -DBARQUE_VERSION='"$(VERSION)"' $(CFLAGS)
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now $(LDFLAGS)
ifeq ($(SAN),)
CFLAGS_ALL += $(if $(COV),,-D_FORTIFY_SOURCE=2)
else
CFLAGS_ALL += -fsanitize=$(SAN) -fno-sanitize-recover=all -DBARQUE_SANITIZED
LDFLAGS_ALL += -fsanitize=$(SAN)
endif
ifneq ($(BUGS),)
CFLAGS_ALL += -DBARQUE_BUGS
endif
ifneq ($(COV),)
CFLAGS_ALL += --coverage -O0 -w # warnings are judged where there is an optimizer
LDFLAGS_ALL += --coverage -Wl,--wrap=_exit $(B)/tests/cov/exit.o
endif

# --- the house -------------------------------------------------------------------------------
FOLDERS := lib/base lib/codec lib/io lib/rpc proto store api check raft client server \
           controllers scheduler kubelet cli bench chaos cmd
SIMS := tests/sim

LINK_lib/base :=
LINK_lib/codec := lib/base
LINK_lib/io := lib/base
LINK_proto :=
LINK_lib/rpc := lib/io lib/codec lib/base
LINK_store := lib/codec lib/base
LINK_api := lib/codec lib/base
LINK_check := api lib/codec lib/base
LINK_raft := lib/io lib/codec lib/base
LINK_client := api lib/rpc proto lib/io lib/codec lib/base
LINK_server := raft store lib/rpc proto lib/io lib/codec lib/base
LINK_controllers := client $(LINK_client)
LINK_scheduler := client $(LINK_client)
LINK_kubelet := client $(LINK_client)
LINK_cli := client $(LINK_client)
LINK_bench := client $(LINK_client)
LINK_chaos := client check $(LINK_client)
LINK_cmd := cli chaos bench kubelet scheduler controllers server client check api raft store lib/rpc \
            proto lib/io lib/codec lib/base

# msgpack-c's C library is `msgpack` on Debian 12 and `msgpack-c` on Debian 13.
DEPS_PKG = libuv libnghttp2 libprotobuf-c jansson yaml-0.1 openssl \
           $(shell pkg-config --exists msgpack && echo msgpack || echo msgpack-c)
# pkg-config is asked once, lazily: `make deps` must run on a machine that does not have it yet.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(DEPS_PKG)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell pkg-config --libs $(DEPS_PKG)) -lcrypt -lraft -lpthread -lm)$(PKG_LIBS)

archive = $(B)/lib$(subst /,-,$(1)).a
archives = $(foreach f,$(1),$(call archive,$(f)))

PROTOS := $(wildcard proto/*.proto)
PROTO_C := $(PROTOS:proto/%.proto=$(B)/gen/proto/%.pb-c.c)
PROTO_H := $(PROTO_C:.c=.h)
# Generated text is kept: it is read by people and by debuggers.
.SECONDARY: $(PROTO_C) $(PROTO_H)

.DEFAULT_GOAL := all
.PHONY: all help deps test tsan test-unit test-scenario test-sim test-integration demo sim fuzz bench \
        lint analyze flags etcd-page format cov install clean check-deps
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

all: check-deps $(B)/barque

# --- one archive a folder ---------------------------------------------------------------------
define FOLDER_rules
SRC_$(1) := $$(sort $$(wildcard $(1)/*.c) $$(wildcard $(1)/*/*.c))
SRC_$(1) := $$(if $$(filter lib/%,$(1)),$$(wildcard $(1)/*.c),$$(SRC_$(1)))
OBJ_$(1) := $$(SRC_$(1):%.c=$(B)/%.o)
$$(call archive,$(1)): $$(OBJ_$(1))
	@rm -f $$@
	@ar rcs $$@ $$(OBJ_$(1))
endef
$(foreach f,$(filter-out proto,$(FOLDERS)),$(eval $(call FOLDER_rules,$(f))))

$(call archive,proto): $(PROTO_C:.c=.o)
	@rm -f $@
	@ar rcs $@ $^

$(B)/gen/proto/%.pb-c.c $(B)/gen/proto/%.pb-c.h: proto/%.proto
	@mkdir -p $(B)/gen/proto
	@protoc-c --proto_path=proto --c_out=$(B)/gen/proto $<

$(B)/gen/proto/%.o: $(B)/gen/proto/%.c $(PROTO_H)
	@$(CC) -std=gnu11 $(OPT) $(HARDEN) $(if $(SAN),-fsanitize=$(SAN)) -I$(B)/gen/proto -c $< -o $@

$(B)/%.o: %.c | $(PROTO_H)
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(CFLAGS_ALL) -I$(B)/gen/proto $(PKG_CFLAGS) -MMD -MP -c $< -o $@

# Whoever tells the commit is compiled again when it is another one.
$(B)/gen/commit: FORCE
	@mkdir -p $(@D)
	@echo $(COMMIT) | cmp -s - $@ || echo $(COMMIT) >$@
.PHONY: FORCE
$(B)/cmd/main.o $(B)/tests/sim/main.o: $(B)/gen/commit
$(B)/cmd/main.o $(B)/tests/sim/main.o: CFLAGS_ALL += -DBARQUE_COMMIT='"$(COMMIT)"'

$(B)/barque: $(call archive,cmd) $(call archives,$(LINK_cmd))
	@echo "  LD $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

# --- unit tests: one program a folder, linking only the floors below ----------------------------
UNIT_FOLDERS := $(foreach f,$(FOLDERS),$(if $(wildcard tests/unit/$(f)/*.c),$(f)))
# Operations that a folder's tests make fail (tests/unit/raft/broken_disk.c).
UNIT_WRAP_raft := file_open file_pwrite file_pwritev file_pread file_sync file_truncate file_allocate file_size \
	fs_mkdir_p fs_rename fs_unlink fs_sync_dir fs_list fs_lock fs_remove_tree fs_read_file fs_write_file_atomic
UNIT_BINS := $(foreach f,$(UNIT_FOLDERS),$(B)/tests/unit-$(subst /,-,$(f)))

define UNIT_rules
TOBJ_$(1) := $$(patsubst %.c,$(B)/%.o,$$(sort $$(wildcard tests/unit/$(1)/*.c)))
$(B)/tests/unit-$(subst /,-,$(1)): $$(TOBJ_$(1)) $$(call archives,$(1) $(LINK_$(1)))
	@echo "  LD $$@"
	@mkdir -p $$(@D)
	@$$(CC) $$(LDFLAGS_ALL) $$(UNIT_WRAP_$(1):%=-Wl$$(comma)--wrap=%) -o $$@ $$^ -lcmocka $$(PKG_LIBS)
# `make unit-store` builds and runs one folder's tests.
.PHONY: unit-$(subst /,-,$(1))
unit-$(subst /,-,$(1)): $(B)/tests/unit-$(subst /,-,$(1))
	@$$<
endef
$(foreach f,$(UNIT_FOLDERS),$(eval $(call UNIT_rules,$(f))))

# --- verbs --------------------------------------------------------------------------------------
ETCD ?= $(abspath build/peer/usr/bin/etcd)
export ETCD

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install what is missing (Debian packages; root or sudo)
	@tools/deps.sh test

check-deps:
	@tools/deps.sh check

test: ## everything: unit, scenario, simulation, integration
	@tools/deps.sh test
	@$(MAKE) --no-print-directory $(B)/barque test-programs
	@tests/run $(B)

.PHONY: test-programs
test-programs: $(UNIT_BINS)

test-unit: check-deps $(UNIT_BINS) ## unit tests only
	@tests/run $(B) unit

# The folders that have threads: log writer, workers, snapshots read while the loop goes on.
TSAN_FOLDERS := lib/base lib/io store raft
.PHONY: tsan-programs
tsan-programs: $(foreach f,$(TSAN_FOLDERS),$(B)/tests/unit-$(subst /,-,$(f)))
tsan: check-deps ## unit tests of what has threads, under TSan
	@+$(MAKE) --no-print-directory SAN=thread CC=gcc tsan-programs
	@tests/run build/thread unit

# ASan and UBSan, by clang and of the objects that the fuzz targets are made of: a build less.
.PHONY: asan asan-failure asan-programs
asan-programs: $(UNIT_BINS) $(B)/failure $(B)/barque
asan: check-deps ## unit tests under ASan and UBSan
	@+$(FUZZ_MAKE) asan-programs
	@tests/run build/fuzz unit
asan-failure: check-deps ## failure loops under ASan and UBSan
	@+$(FUZZ_MAKE) FAILURE_ARGS='$(FAILURE_ARGS)' failure

demo: ## the scripted tour: kills masters and nodes, and measures
	@tools/deps.sh build
	@$(MAKE) --no-print-directory $(B)/barque
	@$(B)/barque demo --script

lint: ## layers, file and function sizes, forbidden calls
	@tools/lint.sh

flags: $(B)/barque ## docs/flags.md (and docs/etcd.md) from the table of options
	@$(B)/barque store --help markdown >docs/flags.md
	@tools/etcd-page.sh put

etcd-page: ## the flags in docs/etcd.md, from tools/etcd-flags.txt and docs/flags.md
	@tools/etcd-page.sh put

analyze: $(PROTO_H) ## clang-tidy and cppcheck, without findings
	@tools/analyze.sh $(B)

format: ## clang-format on the lines that are not committed yet
	@git clang-format --force --quiet

install: all ## PREFIX (/usr/local), DESTDIR
	@install -D -m 755 $(B)/barque $(DESTDIR)$(PREFIX)/bin/barque
PREFIX ?= /usr/local

clean: ## remove what was built
	@rm -rf build

# Parts that bring their own rules: fuzz/fuzz.mk, tests/sim/sim.mk, tests/scenario/..., bench/bench.mk
include $(wildcard fuzz/*.mk tests/*/*.mk bench/*.mk)
# Of this build only: others may be under way in build/*.
-include $(shell find $(or $(wildcard $(FOLDERS:%=$(B)/%) $(B)/tests $(B)/fuzz),/dev/null) -name '*.d' 2>/dev/null)
