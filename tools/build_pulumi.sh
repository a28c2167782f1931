#!/usr/bin/env bash
# Makes sure that there is a Pulumi: your own one on PATH, or one built from Go modules into .tools/bin, once.
# Versions and checksums: tools/pulumi/go.{mod,sum} and tools/pulumi-language-python/go.{mod,sum}.
# Exit codes: 0 there is one, 1 the build failed, 2 neither Pulumi nor a Go that is new enough, 3 stopped by a signal.
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
home=${tools%/*}/.tools
cli=github.com/pulumi/pulumi/pkg/v3/cmd/pulumi
python_host=github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python

rest=$PATH: path=''
while [ -n "$rest" ]; do
  case ${rest%%:*} in "$home/bin" | "$tools/bin") ;; *) path=$path:${rest%%:*} ;; esac
  rest=${rest#*:}
done
export PATH=${path#:}
if own=$(command -v pulumi); then
  echo "pulumi: your own, $own"
  exit 0
fi

# Everything that decides what is built. Kept beside the result, which is renamed into place as a whole:
# a build that was stopped half-way has neither.
recipe() { cat "$tools"/pulumi{,-language-python}/go.{mod,sum} "$tools/build_pulumi.sh"; }
if [ -f "$home/bin/.recipe" ] && recipe | cmp -s - "$home/bin/.recipe"; then
  echo "pulumi: built, .tools/bin/pulumi"
  exit 0
fi

# The environment's Go, as it is: no other toolchain is fetched, no C compiler needed, no workspace of a parent folder.
export GOTOOLCHAIN=${GOTOOLCHAIN:-local} GOWORK=off CGO_ENABLED=0
needed=$(awk '$1 == "go" { print $2 }' "$tools/pulumi/go.mod")
if ! command -v go >/dev/null || ! (cd "$tools/pulumi" && go list -m >/dev/null 2>&1); then
  echo "error: no pulumi here, and no Go $needed or newer to build it with: install Pulumi" \
    "(https://www.pulumi.com/docs/install/) or Go (https://go.dev/dl/), then try again" >&2
  exit 2
fi

mkdir -p "$home"
for left in "$home"/building.*; do # of builds that were killed
  [ ! -d "$left" ] || kill -0 "${left##*.}" 2>/dev/null || rm -rf "$left"
done
new=$home/building.$$
mkdir "$new"
job=''
trap '[ -z "$job" ] || kill "$job" 2>/dev/null; rm -rf "$new"' EXIT
trap 'echo >&2; exit 3' INT TERM HUP

# follow WHAT COMMAND...: runs the command and keeps one line moving while it works: modules fetched, packages compiled.
follow() {
  local what=$1 log=$new/log line='' said=-30
  shift
  : >"$log" # read before the command has opened it
  "$@" 2>>"$log" &
  job=$!
  while kill -0 "$job" 2>/dev/null; do
    line="$what: $(awk '/^go: downloading/ { m++ } /^[^ :]+$/ { p++ }
      END { printf "%d modules fetched, %d packages compiled", m, p }' "$log"), $SECONDS s"
    if [ -t 2 ]; then
      printf '\r\033[K%s' "$line" >&2
    elif ((SECONDS - said >= 30)); then
      said=$SECONDS
      echo "$line" >&2
    fi
    sleep 0.5
  done
  if ! wait "$job"; then
    job=''
    [ ! -t 2 ] || echo >&2
    grep -E '[ :]' "$log" | grep -v '^go: downloading' | tail -n 15 >&2 || true
    echo "error: $what was not built; the lines above are from the Go tool" >&2
    exit 1
  fi
  job=''
}

# build NAME PACKAGE: from the module tools/NAME, with the version that its go.mod pins.
build() {
  local name=$1 package=$2 version
  cd "$tools/$name"
  version=$(awk -v module="${package%%/v3/*}/v3" '$1 == module { print $2; exit }' go.mod)
  follow "$name $version" go build -v -mod=readonly -trimpath -o "$new/$name" \
    -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$version" "$package"
}

echo "pulumi: none on PATH, so it is built from Go modules, once; about 4 minutes on two cores" >&2
build pulumi "$cli"
build pulumi-language-python "$python_host"
cd "$tools/pulumi"
sdk=$(go list -m -f '{{.Dir}}' github.com/pulumi/pulumi/sdk/v3)
install -m 755 "$sdk/python/cmd/pulumi-language-python-exec" "$sdk/python/dist/pulumi-resource-pulumi-python" "$new"
rm "$new/log"
recipe >"$new/.recipe"
rm -rf "${home:?}/bin"
mv "$new" "$home/bin"
[ ! -t 2 ] || printf '\r\033[K' >&2
echo "pulumi: built in $SECONDS s, .tools/bin/pulumi"
