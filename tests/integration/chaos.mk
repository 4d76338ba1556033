# Many short histories with growing seeds: make chaos-long HISTORIES=150 SECONDS=20 SEED=1
HISTORIES ?= 20
SECONDS ?= 20
SEED ?= 1
.PHONY: chaos-long
chaos-long: $(B)/barque ## many short chaos histories: HISTORIES=150 SECONDS=20 SEED=1
	@tests/integration/chaos-long.sh $(B) $(HISTORIES) $(SECONDS) $(SEED)
