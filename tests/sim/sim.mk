# The simulator: the real objects of raft/, server/, client/ and what they stand on, over this folder's
# loop, disk and network instead of lib/io and the transport.

SIM_SRC := $(filter-out $(if $(SAN),tests/sim/malloc.c),$(wildcard tests/sim/*.c))
SIM_RAFT := $(filter-out $(wildcard raft/transport*.c) raft/peer_frame.c,$(wildcard raft/*.c))
# Addresses and URLs are text: the real ones.
SIM_OBJ := $(SIM_SRC:%.c=$(B)/%.o) $(SIM_RAFT:%.c=$(B)/%.o) $(B)/lib/io/address.o $(B)/cmd/components.o
# Seen or answered by the simulator: world_member.c, world_wire.c, check.c.
SIM_WRAP := raft_step rnode_open store_apply store_restore_finish rng_os_seed \
	server_watch_publish server_lease_changed server_propose_own rpc_call_unary rpc_request_cancel \
	rpc_stream_open rpc_stream_send rpc_stream_cancel

$(B)/sim: $(SIM_OBJ) $(call archives,server controllers scheduler kubelet client check api store lib/rpc proto lib/codec lib/base)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS_ALL) $(SIM_WRAP:%=-Wl$(comma)--wrap=%) -o $@ $^ $(PKG_LIBS)

# The commit that is printed first is the newest one.
$(B)/tests/sim/main.o: $(wildcard .git/logs/HEAD)

sim: $(B)/sim ## the simulator: build/sim --seed N, --hours H
test-sim: check-deps $(B)/sim
	@tests/run $(B) sim
test-programs: $(B)/sim
