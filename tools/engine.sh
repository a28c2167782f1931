#!/usr/bin/env bash
# `tools/engine.sh COMMAND…`: the command, with a Docker engine and a base image to build on.
#
# A Docker that answers is used as it is. Else, as root on Debian or Ubuntu, a private one is started, shared with every
# other call of this script on the machine, and stopped by the last one that leaves. What it keeps for the next time
# (layers, base image) is in VIDEOGEN_ENGINE_DIR, by default /var/tmp/videogen-engine, outside every checkout.
#
# The command gets DOCKER_HOST, a `docker` that can BuildKit, and VIDEOGEN_TEST_BASE: what tests build on in place of
# the CUDA image, which is gigabytes: the same Ubuntu, made from its packages.
set -euo pipefail

suite=noble
mirror=http://archive.ubuntu.com/ubuntu
keyring=ubuntu-keyring_2023.11.28.1_all.deb
keyring_sha256=36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8
need_mib=4096
keep_cache=8GB
export DOCKER_BUILDKIT=1

fail() {
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

(($#)) || { echo "usage: tools/engine.sh COMMAND…" >&2; exit 2; }

if docker info >/dev/null 2>&1; then
  export VIDEOGEN_TEST_BASE=${VIDEOGEN_TEST_BASE:-ubuntu:24.04}
  exec "$@"
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  fail "no Docker engine answers, and a private one needs root on Debian or Ubuntu" \
    "start Docker; \`docker info\` shows whether it answers"
fi

work=${VIDEOGEN_ENGINE_DIR:-/var/tmp/videogen-engine}
mkdir -p "$work/bin"
[ -O "$work" ] || fail "$work belongs to somebody else" "VIDEOGEN_ENGINE_DIR=… takes another folder"
free_mib=$(df --output=avail -m "$work" | tail -1)
((free_mib > need_mib)) || fail "$work: $((free_mib)) MiB free, an engine needs $need_mib" "VIDEOGEN_ENGINE_DIR=… takes another disk"

# Two locks. `start` is held while the engine is started or stopped. `users` is shared by all who use it, so whoever can
# have it alone is the last one; a killed user's share is given back by the kernel.
exec 8>"$work/start.lock" 9>"$work/users.lock"
export DOCKER_HOST=unix://$work/docker.sock
ln -sf /usr/bin/docker "$work/bin/docker" # Debian's client has BuildKit built in; one found earlier may lack it
export PATH=$work/bin:$PATH

packages() {
  command -v dockerd && command -v mmdebstrap && command -v iptables && [ -x /usr/bin/docker ] && return
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io iptables mmdebstrap
}

start() {
  ! pidof dockerd >/dev/null || # two delete each other's bridge
    fail "another dockerd runs here, and \`docker info\` does not reach it" "DOCKER_HOST=… names its socket"
  iptables -S FORWARD | awk '$1 == "-P" { print $3 }' >"$work/forward-policy"
  rm -f "$work/pid" # a stale one stops a new engine
  setsid dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" -H "$DOCKER_HOST" \
    >"$work/dockerd.log" 2>&1 8>&- 9>&- &
  local engine=$!
  for _ in $(seq 150); do
    docker info >/dev/null 2>&1 && return
    kill -0 "$engine" 2>/dev/null || break
    sleep 0.2
  done
  kill "$engine" 2>/dev/null || true
  tail -5 "$work/dockerd.log" >&2
  fail "dockerd did not start" "its log: $work/dockerd.log"
}

stop() {
  local engine left
  left=$(docker ps -aq)
  [ -z "$left" ] || docker rm -f $left >/dev/null
  docker image prune --force >/dev/null
  docker builder prune --force --keep-storage "$keep_cache" >/dev/null
  engine=$(cat "$work/pid")
  kill "$engine"
  for _ in $(seq 150); do
    kill -0 "$engine" 2>/dev/null || break
    sleep 0.1
  done
  umount "$work"/exec/netns/* 2>/dev/null || true
  ip link del docker0 2>/dev/null || true
  # dockerd leaves its chains and a closed FORWARD behind, in which other tests' packets would be lost.
  iptables-save | grep -vi docker | iptables-restore
  iptables -P FORWARD "$(cat "$work/forward-policy")"
}

base() {
  local recipe tar
  recipe=$( (declare -f base && echo "$suite $mirror $keyring_sha256") | sha256sum | cut -c1-12)
  tar=$work/base-$suite-$recipe.tar
  VIDEOGEN_TEST_BASE=localhost/videogen-base:$suite-$recipe
  find "$work" -maxdepth 1 -name 'base-*.tar' -mtime +14 -delete # its packages get security fixes
  if [ ! -s "$tar" ]; then
    rm -f "$work"/base-*
    (
      cd "$(mktemp -d "$work/making.XXXXXX")"
      trap 'rm -rf "$PWD" "$tar.part"' EXIT
      chmod 755 . # apt reads the keyring as a user of its own
      curl -sSfO "$mirror/pool/main/u/ubuntu-keyring/$keyring"
      echo "$keyring_sha256  $keyring" | sha256sum --check --quiet
      dpkg-deb -x "$keyring" keyring
      printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' >pip.conf
      for pocket in $suite $suite-updates $suite-security; do echo "deb $mirror $pocket main universe"; done >sources
      # This machine's own certificate authorities go along: its way to the package registries may need them.
      mmdebstrap -q --format=tar --variant=minbase --include=apt,ca-certificates,ubuntu-keyring \
        --keyring="$PWD/keyring/usr/share/keyrings/ubuntu-archive-keyring.gpg" \
        --customize-hook='mkdir -p "$1/usr/local/share/ca-certificates"' \
        --customize-hook='copy-in /usr/local/share/ca-certificates /usr/local/share' \
        --customize-hook='chroot "$1" update-ca-certificates' \
        --customize-hook="upload $PWD/pip.conf /etc/pip.conf" \
        --customize-hook='echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/no-sync"' $suite "$tar.part" sources >mmdebstrap.log 2>&1 ||
        { tail -5 mmdebstrap.log >&2; exit 1; }
      mv "$tar.part" "$tar"
    ) || fail "no base image could be made from $mirror" "the packages of Ubuntu must be in reach"
    docker rmi --force "$VIDEOGEN_TEST_BASE" >/dev/null 2>&1 || true
  fi
  if ! docker image inspect "$VIDEOGEN_TEST_BASE" >/dev/null 2>&1; then
    docker images --quiet localhost/videogen-base | xargs --no-run-if-empty docker rmi --force >/dev/null 2>&1 || true
    docker import "$tar" "$VIDEOGEN_TEST_BASE" >/dev/null
  fi
  export VIDEOGEN_TEST_BASE
}

leave() {
  flock 8
  flock --unlock 9
  if flock --nonblock --exclusive 9; then stop; fi
}

flock 8
packages >"$work/packages.log" 2>&1 || { tail -5 "$work/packages.log" >&2; fail "docker.io could not be installed" "$work/packages.log"; }
docker info >/dev/null 2>&1 || start
flock --shared 9
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
base
flock --unlock 8

code=0
"$@" 8>&- 9>&- || code=$?
exit "$code"
