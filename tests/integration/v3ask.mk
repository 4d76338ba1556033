# Clients of a kind that etcdctl is not: services it has no command for (v3ask.c), a thousand connections (hold.c).
define ASK_rules
$(B)/tests/$(1): $(B)/tests/integration/$(1).o $(call archives,lib/rpc $(LINK_lib/rpc) proto)
	@echo "  LD $$@"
	@mkdir -p $$(@D)
	@$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(PKG_LIBS)
test-programs: $(B)/tests/$(1)
endef
$(foreach t,v3ask hold,$(eval $(call ASK_rules,$(t))))
