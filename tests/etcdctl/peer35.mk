# etcd and etcdctl 3.5, which Debian 12 does not have: built where Go is, from the modules' own checksums.
PEER35 ?= v3.5.17
.PHONY: peer35
peer35: ## etcd and etcdctl 3.5 to compare with, built with Go
	@command -v go >/dev/null || { echo "peer35: no Go here. Next: install it, or set ETCD35 and ETCDCTL35." >&2; exit 1; }
	@mkdir -p $(B)/peer35/src && cd $(B)/peer35/src && { [ -f go.mod ] || go mod init peer35 2>/dev/null; } && \
	    go get go.etcd.io/etcd/etcdctl/v3@$(PEER35) go.etcd.io/etcd/server/v3@$(PEER35) && \
	    go build -o ../etcdctl go.etcd.io/etcd/etcdctl/v3 && go build -o ../etcd go.etcd.io/etcd/server/v3
