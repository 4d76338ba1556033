# The client of the services that etcdctl has no command for (v3ask.c).
$(B)/tests/v3ask: $(B)/tests/integration/v3ask.o $(call archives,lib/rpc $(LINK_lib/rpc) proto)
	@echo "  LD $@"
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)
test-programs: $(B)/tests/v3ask
