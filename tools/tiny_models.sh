# shellcheck shell=bash
# Sourced by tools/demo.sh and `make test-comfyui` when COMFYUI_DIR names a real ComfyUI: tiny random weights take the
# models' place. Leaves COMFYUI_* and VIDEOGEN_MANIFEST in the environment.
COMFYUI_DIR=$(cd "$COMFYUI_DIR" && pwd -P)
: "${COMFYUI_PYTHON:=$COMFYUI_DIR/.venv/bin/python}"
if [ ! -f "$COMFYUI_DIR/main.py" ] || [ ! -x "$COMFYUI_PYTHON" ]; then
  echo "error: COMFYUI_DIR: $COMFYUI_DIR has no main.py, or $COMFYUI_PYTHON is not an interpreter" >&2
  echo "hint: COMFYUI_PYTHON=… names ComfyUI's interpreter" >&2
  exit 2
fi
export COMFYUI_DIR COMFYUI_PYTHON
export COMFYUI_ARGUMENTS=${COMFYUI_ARGUMENTS:---cpu}
tiny=$PWD/.videogen/tiny
export COMFYUI_CUSTOM_NODES=$tiny/custom_nodes
export VIDEOGEN_MANIFEST=$tiny/models_manifest.yaml

tiny_made=$COMFYUI_DIR:$(cat tools/tiny_* "$COMFYUI_DIR/comfyui_version.py" 2>/dev/null | cksum)
if [ "$(cat "$tiny/made" 2>/dev/null)" != "$tiny_made" ]; then
  rm -rf "$tiny"
  "$COMFYUI_PYTHON" tools/tiny_wan.py "$tiny/weights" --with lora,t2v,scail,uni3c,clip-vision,enlarge \
    --shim "$COMFYUI_CUSTOM_NODES"
  if [ -f "$COMFYUI_DIR/comfy/ldm/sam3/detector.py" ]; then # an older core has no use for it
    "$COMFYUI_PYTHON" tools/tiny_sam3.py "$COMFYUI_DIR" "$tiny/weights" "$COMFYUI_CUSTOM_NODES"
  fi
  python tools/tiny_manifest.py "$tiny"
  echo "$tiny_made" >"$tiny/made"
fi
