#!/usr/bin/env bash
# tools/runpod_sdk.sh [FOLDER]: makes `import pulumi_runpod` work, in FOLDER or else in .venv.
# It is the Python SDK of RunPod's Pulumi provider, generated from what the plugin says of itself. Only
# `videogen:runpodLasting: {through: provider, …}` needs it, and nobody commits it.
# RUNPOD_PLUGIN=/path/to/pulumi-resource-runpod names the plugin; otherwise its release is fetched from GitHub, once.
# Exit codes: 0 it is there, 1 something failed, 2 neither a generator nor a Go to build one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=tools/env.sh
source "$here/env.sh"
version=0.1.5
into=()
[ -z "${1:-}" ] || into=(--target "$1")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

plugin=${RUNPOD_PLUGIN:-}
if [ -z "$plugin" ]; then
  plugin=runpod@$version
  pulumi plugin install resource runpod "v$version" --server github://api.github.com/runpod/pulumi-runpod >&2
fi
cd "$work" # no project's plugins get in the way
pulumi package get-schema "$plugin" >schema.json

# The ordinary Pulumi has the generator in its Python host; the host that Go modules give has none.
if ! pulumi package gen-sdk schema.json --language python --out sdk >gen-sdk.log 2>&1; then
  if ! command -v go >/dev/null; then
    cat gen-sdk.log >&2
    echo "error: this pulumi makes no SDK, and there is no Go to build what does: https://www.pulumi.com/docs/install/" >&2
    exit 2
  fi
  rm -rf sdk
  GOTOOLCHAIN=${GOTOOLCHAIN:-local} GOWORK=off CGO_ENABLED=0 \
    go -C "$here/pulumi" run -mod=readonly -trimpath ./sdk "$work/sdk/python" <schema.json
fi
if ! python -m pip install --disable-pip-version-check --no-deps --no-index --no-build-isolation --upgrade \
  "${into[@]}" "$work/sdk/python" >pip.log 2>&1; then
  cat pip.log >&2
  exit 1
fi
echo "runpod-sdk: pulumi_runpod $version is installed in ${1:-.venv}"
