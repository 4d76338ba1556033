# make bench: Barque beside etcd, alternating, in one run. make bench-footprint: a million keys in
# one member.
.PHONY: bench-footprint
bench: ## Barque beside etcd: throughput, latency, server CPU per operation
	@tools/deps.sh test
	@$(MAKE) --no-print-directory $(B)/barque
	@BARQUE=$(B)/barque bench/run.sh

bench-footprint: ## a million keys in one member: memory, restart, list, snapshot
	@tools/deps.sh test
	@$(MAKE) --no-print-directory $(B)/barque
	@BARQUE=$(B)/barque bench/footprint.sh
