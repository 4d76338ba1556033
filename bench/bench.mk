# make bench: Barque beside etcd, alternating, in one run. make bench-footprint: a million keys in
# one member. make bench-stalled: a thousand watchers that do not read.
.PHONY: bench-footprint bench-stalled
bench: ## Barque beside etcd: throughput, latency, server CPU per operation
	@tools/deps.sh test
	@$(MAKE) --no-print-directory $(B)/barque
	@BARQUE=$(B)/barque bench/run.sh

bench-footprint: ## a million keys in one member: memory, restart, list, snapshot
	@tools/deps.sh test
	@$(MAKE) --no-print-directory $(B)/barque
	@BARQUE=$(B)/barque bench/footprint.sh

bench-stalled: ## a thousand watchers that read nothing while a million events happen: memory, losses
	@tools/deps.sh test
	@$(MAKE) --no-print-directory $(B)/barque
	@BARQUE=$(B)/barque bench/stalled.sh
