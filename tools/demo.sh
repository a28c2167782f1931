#!/usr/bin/env bash
# The whole product once, on this machine: rent → models → batch → videos → gone, with a receipt.
# `make demo` calls it after set-up. COMFYUI_DIR=… takes a real ComfyUI instead of the stand-in.
# Whatever happens in between, it ends with `pulumi destroy`: nothing is left running.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/env.sh

stack=dev
batch=batches/demo.yaml
report=.videogen/demo-seconds.txt
mkdir -p .videogen
exec 9>.videogen/demo.lock
if ! flock --nonblock 9; then
  echo "error: another demo runs in this checkout" >&2
  exit 1
fi
if videogen status --stack "$stack" --json 2>/dev/null | grep -q '"lease_seconds_left"'; then
  echo "error: stack $stack has workers, and the demo would end them" >&2
  echo "hint: pulumi destroy --stack $stack" >&2
  exit 1
fi
: >"$report"

step() { # step NAME COMMAND…: says what it runs, and how long it took
  local name=$1 began=$EPOCHREALTIME code=0
  shift
  printf '\n\033[1m── %s ──\033[0m\n$ %s\n' "$name" "$*"
  "$@" 9>&- || code=$? # what it starts must not keep the demo's lock
  awk -v name="$name" -v began="$began" -v ended="$EPOCHREALTIME" \
    'BEGIN { printf "%-34s %6.1f s\n", name, ended - began }' | tee -a "$report"
  return "$code"
}

destroy() {
  step "gone, with receipts" pulumi destroy --stack "$stack" --yes --skip-preview --suppress-outputs
}

if [ -n "${COMFYUI_DIR:-}" ]; then
  source tools/tiny_models.sh # its models are tiny and random: they prove the plumbing, not the picture
  if grep -rqs WanUni3CControlnetApply "$COMFYUI_DIR/comfy_extras"; then
    export VIDEOGEN_WORKFLOWS=scail-uni3c-wan22,wan22-i2v
  else
    export VIDEOGEN_WORKFLOWS=wan22-i2v
    echo "this ComfyUI has no Uni3C (it came with 0.29): the main path will be refused, the short path rendered"
  fi
else
  echo "ComfyUI is played by our stand-in: real protocol, real videos, no model. COMFYUI_DIR=… takes a real one."
fi

end() { # the destroy of a demo that was stopped: its words go to a file, since whoever reads us may be gone
  local code=${stopped:-$?}
  trap - EXIT
  trap '' INT TERM HUP PIPE
  destroy >.videogen/demo-destroy.log 2>&1 || code=1
  cat .videogen/demo-destroy.log || true
  exit "$code"
}
trap end EXIT
trap 'stopped=3; exit 3' INT TERM HUP
step "store and workers, proven ready" pulumi up --stack "$stack" --yes --skip-preview --suppress-outputs
step "every model in the store, proven" videogen models verify --stack "$stack" --read
if [ -n "${COMFYUI_DIR:-}" ]; then
  # A ComfyUI before 0.29 has no Uni3C: the main path is then refused before anything is sent.
  step "main path" videogen submit "$batch" --stack "$stack" --again || [ $? -eq 2 ]
  batch=batches/demo-short.yaml
fi
step "batch → checked videos" videogen submit "$batch" --stack "$stack" --again
trap - EXIT
destroy
step "what it cost" videogen status --stack "$stack"

printf '\n\033[1m── finished ──\033[0m\n'
cat "$report"
awk '{ sum += $(NF - 1) } END { printf "%-34s %6.1f s\n", "all", sum }' "$report"
echo "videos and contact sheet: $(python -c 'import sys, yaml; print("outputs/" + yaml.safe_load(open(sys.argv[1]))["name"])' "$batch")/contact-sheet.png"
