#!/usr/bin/env bash
# `make master`: the images, .env with fresh secrets, the models in the store, everything started. Done again, it takes
# what has changed in the checkout. `tools/master.sh controller` only builds the controller's image.
#
# What may be set in the environment: whatever .env says, and BASE_IMAGE, another Ubuntu 24.04 for the controller.
# Exit codes: 0 it runs, 1 a step failed, 2 something is missing on this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 2
}

# setting NAME DEFAULT: as compose sees it; the environment goes before .env.
setting() {
  local line
  line=$(grep "^$1=" .env | tail -1) || true
  line=${line#*=}
  echo "${!1:-${line:-$2}}"
}

has_gpu() { [ -e /dev/nvidiactl ] && docker info --format '{{json .Runtimes}}' | grep -q nvidia; }
secret() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

write_env() {
  local new gpu=cpu
  if has_gpu; then gpu=gpu; fi
  new=$(umask 077 && mktemp .env.XXXXXX)
  awk -v gpu="$gpu" -v token="$(secret)" -v key="$(secret)" -v secret="$(secret)" '
    !body && /^#/ { next } # what the example says of itself
    { body = 1 }
    $0 == "VIDEOGEN_TOKEN=" { $0 = $0 token }
    $0 == "VIDEOGEN_STORE_KEY=" { $0 = $0 substr(key, 1, 20) }
    $0 == "VIDEOGEN_STORE_SECRET=" { $0 = $0 secret }
    /^COMPOSE_PROFILES=/ { $0 = "COMPOSE_PROFILES=store," gpu }
    { print }' .env.example >"$new"
  mv "$new" .env
  echo "master: wrote .env, profiles store and $gpu"
}

# The number of the user whose files batches/ and outputs/ are. Root's container is no root's.
owner() { if [ "$(id -u)" = 0 ]; then echo 1000; else id -u; fi; }

build_controller() {
  local tag=${1:-video-gen-controller} words=() tools
  if [ -x .tools/bin/pulumi ] && [ "$(uname -s)" = Linux ]; then # built already, from the same pins
    tools=localhost/video-gen-pulumi:$(sha256sum .tools/bin/.recipe | cut -c 1-12)
    docker image inspect "$tools" >/dev/null 2>&1 ||
      tar -C .tools/bin --transform 's,^[.],opt/pulumi,' -c . | docker import - "$tools" >/dev/null
    words+=(--build-arg "PULUMI=$tools")
  fi
  [ -z "${BASE_IMAGE:-}" ] || words+=(--build-arg "BASE_IMAGE=$BASE_IMAGE")
  words+=(--build-arg "REVISION=$(git describe --always --abbrev=40 --dirty '--exclude=*' 2>/dev/null || echo unknown)")
  DOCKER_BUILDKIT=1 docker build --progress=plain --file images/controller/Dockerfile --tag "$tag" \
    --build-arg "USER_ID=$(owner)" "${words[@]}" .
}

docker info >/dev/null 2>&1 || fail "no Docker engine answers" "start Docker; \`docker info\` shows whether it answers"
if [ "${1:-}" = controller ]; then
  build_controller "${VIDEOGEN_CONTROLLER_IMAGE:-}"
  exit
fi
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose >/dev/null; then
  compose=(docker-compose)
else
  fail "there is no docker compose" "install Docker's compose plugin, or the package docker-compose"
fi

[ -f .env ] || write_env
mkdir -p outputs
[ "$(id -u)" != 0 ] || chown "$(owner)" outputs
profiles=,$(setting COMPOSE_PROFILES ''),
worker=$(setting VIDEOGEN_IMAGE video-gen-worker) controller=$(setting VIDEOGEN_CONTROLLER_IMAGE video-gen-controller)
# An image that is named otherwise is somebody else's to build.
if [[ $worker == video-gen-worker && $profiles == *,[cg]pu,* ]]; then make image IMAGE="$worker"; fi
if [[ $controller != */* || $controller == localhost/* ]]; then build_controller "$controller"; fi
absent='' terminal=()
if [[ $profiles == *,store,* ]]; then
  [ -t 0 ] && [ -t 1 ] || terminal=(-T)
  "${compose[@]}" up -d store
  "${compose[@]}" run --rm "${terminal[@]}" controller \
    videogen models mirror --phase "$(setting VIDEOGEN_PHASE a)" || absent=yes
fi
"${compose[@]}" up -d
if [ -n "$absent" ]; then
  printf 'error: the store has not all models; ComfyUI starts again and again until it has\n' >&2
  # shellcheck disable=SC2016
  printf 'hint: what is said above; then `make master` once more\n' >&2
  exit 1
fi
if [[ $profiles == *,[cg]pu,* ]]; then
  echo "master: ComfyUI at http://$(setting VIDEOGEN_ADDRESS 127.0.0.1):$(setting VIDEOGEN_PORT 8080)," \
    "in a minute; .env holds its token, VIDEOGEN_TOKEN"
fi
