# The client that asks Barque and etcd the same (README.md); tests/integration/differential.test.sh.
DIFFERENTIAL_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/differential/*.c))
$(B)/tests/duel: $(DIFFERENTIAL_OBJ) $(call archives,lib/rpc $(LINK_lib/rpc) proto)
	@echo "  LD $@"
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)
test-programs: $(B)/tests/duel
