#!/bin/sh
# Installs what Barque needs, from Debian's packages. Idempotent: says nothing and touches nothing when all
# is there. Works as root or through sudo, on Debian 12 (libraft comes from bookworm-backports, whose
# address is taken from the machine's own sources) and on Debian 13.
#
#   tools/deps.sh build   what compiling and running takes (make demo)
#   tools/deps.sh test    that, and cmocka, clang, etcdctl and an unpacked etcd to compare with (make test)
#   tools/deps.sh check   only checks the libraft version; exit 1 with the reason when it is not 0.22.x
set -eu
what=${1:-test}
cd "$(dirname "$0")/.."

die() { printf 'deps: %s\n' "$*" >&2; exit 1; }

raft_version() { pkg-config --modversion raft 2>/dev/null || true; }

check_raft() {
    v=$(raft_version)
    case "$v" in
        0.22.*) return 0 ;;
        '') die "libraft is not installed. Next: run 'make deps'." ;;
        *) die "libraft $v is installed, but Barque needs 0.22.x: older ones lose committed entries, newer
      ones change the memory-ownership rules of raft_step (see ARCHITECTURE.md, 'Consensus').
      Next: run 'make deps', or on Debian 12: apt-get install -t bookworm-backports libraft-dev" ;;
    esac
}

if [ "$what" = check ]; then
    command -v pkg-config >/dev/null 2>&1 || die "pkg-config is not installed. Next: run 'make deps'."
    check_raft
    exit 0
fi

command -v apt-get >/dev/null 2>&1 || die "this is not a Debian machine (no apt-get).
      Install by hand: libraft 0.22, libuv, nghttp2, protobuf-c, jansson, libyaml, msgpack-c, OpenSSL 3, cmocka."
release=$(. /etc/os-release 2>/dev/null; printf '%s' "${VERSION_CODENAME:-unknown}")

build="gcc libc6-dev make pkg-config libraft-dev libuv1-dev libnghttp2-dev libprotobuf-c-dev
       protobuf-c-compiler protobuf-compiler libjansson-dev libyaml-dev libssl-dev libcrypt-dev"
case "$release" in
    bookworm) build="$build libmsgpack-dev"; rt=libclang-rt-14-dev ;;
    *) build="$build libmsgpack-c-dev"; rt=libclang-rt-dev ;;
esac
test="git libcmocka-dev clang clang-format clang-tidy cppcheck $rt etcd-client curl jq nftables iproute2"
# A foreign client library runs on node, wherever that comes from.
command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || test="$test nodejs npm"
case "$what" in
    build) want=$build ;;
    test) want="$build $test" ;;
    *) die "unknown set '$what' (build, test or check)" ;;
esac

missing=
for p in $want; do
    dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
case "$(raft_version)" in 0.22.*) raft_ok=1 ;; *) raft_ok=0 ;; esac

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null 2>&1; then sudo "$@"
    else die "installing needs root or sudo:$missing"
    fi
}

# The mirror this machine already uses, for the backports line.
mirror() {
    { cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
          awk '$1 == "URIs:" && $2 !~ /security/ { print $2; exit }'
      cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
          awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^[a-z+]+:/ && $i !~ /security/) { print $i; exit } }'
    } | head -n 1
}

if [ -n "$missing" ] || [ "$raft_ok" = 0 ]; then
    printf 'deps: installing:%s\n' "${missing:- libraft-dev}"
    as_root apt-get -qq update || die "apt-get update failed (above); check the network and the sources"
    raft_from=
    if [ "$raft_ok" = 0 ] && [ "$release" = bookworm ]; then
        if ! apt-cache madison libraft-dev | grep -q ' 0\.22\.'; then
            m=$(mirror); [ -n "$m" ] || die "no Debian mirror found in the apt sources"
            line="deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $m bookworm-backports main"
            printf '%s\n' "$line" | as_root tee /etc/apt/sources.list.d/barque-backports.list >/dev/null
            as_root apt-get -qq update || die "apt-get update failed after adding bookworm-backports"
        fi
        raft_from="-t bookworm-backports"
    fi
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        $raft_from libraft-dev >/dev/null || die "could not install libraft-dev 0.22"
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        $want >/dev/null || die "could not install:$missing"
fi
check_raft

# etcd itself is unpacked, not installed: a package install would start it as a service.
if [ "$what" = test ] && [ ! -x build/peer/usr/bin/etcd ]; then
    if [ -x /usr/bin/etcd ]; then
        mkdir -p build/peer/usr/bin && ln -sf /usr/bin/etcd build/peer/usr/bin/etcd
    else
        mkdir -p build/peer/unpacked build/peer/usr/bin
        (cd build/peer && apt-get -qq -o APT::Sandbox::User="$(id -un)" download etcd-server &&
            dpkg -x etcd-server_*.deb unpacked && mv unpacked/usr/bin/etcd usr/bin/etcd &&
            rm -rf unpacked etcd-server_*.deb) || die "could not fetch etcd-server to compare with"
    fi
fi
