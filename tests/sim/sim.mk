# The simulator: the real raft/ objects over this folder's loop, disk and network instead of lib/io and
# the transport. `make sim` is a short run, `make sim-recall` shows that the checks find what the gates
# prevent.

SIM_SRC := $(wildcard tests/sim/*.c)
SIM_RAFT := $(filter-out $(wildcard raft/transport*.c) raft/peer_frame.c,$(wildcard raft/*.c))
SIM_OBJ := $(SIM_SRC:%.c=$(B)/%.o) $(SIM_RAFT:%.c=$(B)/%.o)

$(B)/sim: $(SIM_OBJ) $(call archives,store lib/codec lib/base)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS_ALL) -Wl,--wrap=raft_step -o $@ $^ $(PKG_LIBS)

.PHONY: sim-short sim-recall
sim-short: $(B)/sim
	@$(B)/sim --hours 20 --jobs 2
sim-recall: $(B)/sim
	@$(B)/sim --recall tests/sim/regressions.txt
