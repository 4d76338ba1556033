# make check-bench: how fast the linearizability checker is.
CHECK_BENCH := $(B)/tests/check-bench
$(CHECK_BENCH): $(B)/tests/unit/check/bench/lin_bench.o $(call archives,check $(LINK_check))
	@echo "  LD $@"
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

.PHONY: check-bench
check-bench: $(CHECK_BENCH) ## the linearizability checker: operations a second
	@$(CHECK_BENCH)
