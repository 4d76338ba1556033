# The fuzz targets: every fuzz/fuzz_*.c is one program under clang's libFuzzer, ASan and UBSan, in a build
# folder of its own (build/fuzz). A target links the archive it tests and the floors below it; one that is
# not in the table may link all of them.
SECONDS ?= 60
FUZZ_NAMES := $(patsubst fuzz/%.c,%,$(sort $(wildcard fuzz/fuzz_*.c)))
FUZZ_BINS := $(FUZZ_NAMES:%=$(B)/%)

FUZZ_lib/codec := fuzz_bolt fuzz_json fuzz_mp fuzz_yaml
FUZZ_lib/io := fuzz_faults
FUZZ_lib/rpc := fuzz_grpc_frame fuzz_h2_client fuzz_h2_server fuzz_http1
FUZZ_store := fuzz_command fuzz_etcd_db fuzz_store fuzz_store_snapshot fuzz_txn fuzz_watch
FUZZ_api := fuzz_manifest fuzz_object fuzz_quantity fuzz_selector
FUZZ_raft := fuzz_meta fuzz_peer_frame fuzz_peer_message fuzz_snapshot_file fuzz_wal
FUZZ_client := fuzz_workqueue
FUZZ_scheduler := fuzz_cycle
FUZZ_chaos := fuzz_chaos_report

fuzz_links = $(or $(strip $(foreach f,$(FOLDERS),$(if $(filter $(1),$(FUZZ_$(f))),$(f) $(LINK_$(f))))),\
               cmd $(LINK_cmd))

define FUZZ_rules
$(B)/$(1): $(B)/fuzz/$(1).o $$(call archives,$$(call fuzz_links,$(1)))
	@echo "  LD $$@"
	@$$(CC) $$(LDFLAGS_ALL) -fsanitize=fuzzer -o $$@ $$^ $$(PKG_LIBS)
endef
$(foreach n,$(FUZZ_NAMES),$(eval $(call FUZZ_rules,$(n))))

FUZZ_MAKE = $(MAKE) --no-print-directory CC=clang SAN=fuzzer-no-link,address,undefined COV= B=build/fuzz

.PHONY: fuzz-programs fuzz-build fuzz-replay
fuzz-programs: $(FUZZ_BINS)
fuzz-build:
	@+$(FUZZ_MAKE) fuzz-programs

fuzz: ## every fuzz target for SECONDS (60) of processor time; TARGETS="fuzz_x ..." for some
	@tools/deps.sh test
	@$(MAKE) --no-print-directory fuzz-build
	@fuzz/run.sh build/fuzz $(SECONDS) $(TARGETS)

fuzz-replay: ## every kept fuzz input once
	@tests/run build/fuzz fuzz
