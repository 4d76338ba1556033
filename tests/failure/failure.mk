# Failure loops: whole members in the simulator's world, which fail at every N. (README.md)

# All of the simulator but its command line and its malloc (tests/sim/sim.mk is read after this).
FAILURE_SIM := $(filter-out tests/sim/main.c tests/sim/malloc.c,$(wildcard tests/sim/*.c)) lib/io/address.c cmd/components.c \
               $(filter-out $(wildcard raft/transport*.c) raft/peer_frame.c,$(wildcard raft/*.c))
FAILURE_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/failure/*.c) tests/scenario/words.c \
               tests/scenario/requests.c $(FAILURE_SIM))
FAILURE_WRAP = $(SIM_WRAP) malloc calloc realloc _exit member_fatal member_cannot_start

$(B)/failure: $(FAILURE_OBJ) $(call archives,server controllers scheduler kubelet client check api store lib/rpc proto lib/codec lib/base)
	@echo "  LD $@"
	@$(CC) $(LDFLAGS_ALL) $(FAILURE_WRAP:%=-Wl$(comma)--wrap=%) -o $@ $^ $(PKG_LIBS)

.PHONY: failure
failure: check-deps $(B)/failure ## fails at every N: allocation, I/O, crash (FAILURE_FULL=1: all of it)
	@ASAN_OPTIONS=detect_leaks=0 $(B)/failure $(if $(FAILURE_FULL),--full,$(FAILURE_ARGS))
test-programs: $(B)/failure
