# The simulator: the real raft/ objects over this folder's loop, disk and network instead of lib/io
# and the transport.

SIM_SRC := $(wildcard tests/sim/*.c)
SIM_RAFT := $(filter-out $(wildcard raft/transport*.c) raft/peer_frame.c,$(wildcard raft/*.c))
SIM_OBJ := $(SIM_SRC:%.c=$(B)/%.o) $(SIM_RAFT:%.c=$(B)/%.o)

$(B)/sim: $(SIM_OBJ) $(call archives,store lib/codec lib/base)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS_ALL) -Wl,--wrap=raft_step -o $@ $^ $(PKG_LIBS)

# The commit that is printed first is the newest one.
$(B)/tests/sim/main.o: $(wildcard .git/logs/HEAD)

.PHONY: sim-recall
sim: $(B)/sim ## the simulator: build/sim --seed N, --hours H
sim-recall: $(B)/sim ## what the raft gates prevent is found without them
	@$(B)/sim --recall tests/sim/regressions.txt --jobs 2
test-sim: check-deps $(B)/sim
	@tests/run $(B) sim
test-programs: $(B)/sim
