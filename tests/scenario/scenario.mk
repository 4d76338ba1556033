# Golden traces: build/scenario plays the files of tests/scenario/.
SCENARIO_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/scenario/*.c) kubelet/pod_actions.c)
SCENARIO_LINK := store controllers scheduler $(LINK_scheduler)

$(B)/scenario: $(SCENARIO_OBJ) $(call archives,$(SCENARIO_LINK))
	@echo "  LD $@"
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

.PHONY: test-scenario
test-scenario: check-deps $(B)/scenario ## golden traces only
	@tests/run $(B) scenario
test-programs: $(B)/scenario
