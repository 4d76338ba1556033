# make cov: which lines and branches the tests reach, a row a folder: unit tests, golden traces, kept fuzz inputs, failure
# loops, simulated runs, integration tests and the demo together. Its objects are in build/cov. COV_HOURS: simulated hours a mode;
# COV_ONLY: of the integration tests, those that reach the most for what they take, "integration/chaos ..." (CI's are in
# .ci/run); COV_TRIES: points of each failure script.
COV_ONLY ?=
COV_TRIES ?= 40
COV_HOURS ?= 4
COV_MAKE = $(MAKE) --no-print-directory COV=1 SAN= CC=gcc B=build/cov
COV_FUZZ := $(FUZZ_NAMES:%=$(B)/cov-%)

define COV_FUZZ_rules
$(B)/cov-$(1): $(B)/fuzz/$(1).o $(B)/tests/cov/replay.o $$(call archives,$$(call fuzz_links,$(1)))
	@echo "  LD $$@"
	@$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(PKG_LIBS)
endef
$(foreach n,$(FUZZ_NAMES),$(eval $(call COV_FUZZ_rules,$(n))))

.PHONY: cov-programs
cov-programs: $(B)/barque test-programs $(COV_FUZZ) $(B)/sim $(B)/scenario $(B)/failure

cov: check-deps ## lines and branches that the tests reach, by folder
	@+$(COV_MAKE) build/cov/tests/cov/exit.o
	@+$(COV_MAKE) cov-programs
	@TEST_ONLY='$(COV_ONLY)' FAILURE_TRIES=$(COV_TRIES) tests/cov/run.sh build/cov $(COV_HOURS)
	@tests/cov/cov.sh build/cov
	@tests/cov/cov.sh build/cov bars
