# shellcheck shell=bash
# Sourced by tools/demo.sh when COMFYUI_DIR names a real ComfyUI: tiny random weights take the models' place.
: "${COMFYUI_PYTHON:=$COMFYUI_DIR/.venv/bin/python}"
if [ ! -f "$COMFYUI_DIR/main.py" ] || [ ! -x "$COMFYUI_PYTHON" ]; then
  echo "error: COMFYUI_DIR: $COMFYUI_DIR has no main.py, or $COMFYUI_PYTHON is not an interpreter" >&2
  echo "hint: COMFYUI_PYTHON=… names ComfyUI's interpreter" >&2
  exit 2
fi
export COMFYUI_DIR COMFYUI_PYTHON
export COMFYUI_ARGUMENTS=${COMFYUI_ARGUMENTS:---cpu}
export COMFYUI_CUSTOM_NODES=$PWD/.videogen/tiny/custom_nodes
export VIDEOGEN_MANIFEST=$PWD/.videogen/tiny/models_manifest.yaml

if grep -rqs WanUni3CControlnetApply "$COMFYUI_DIR/comfy_extras"; then
  export VIDEOGEN_WORKFLOWS=scail-uni3c-wan22,wan22-i2v
else
  export VIDEOGEN_WORKFLOWS=wan22-i2v
  echo "this ComfyUI has no Uni3C (it came with 0.29): the main path will be refused, the short path rendered"
fi
if [ ! -f "$VIDEOGEN_MANIFEST" ]; then
  "$COMFYUI_PYTHON" tools/tiny_wan.py .videogen/tiny/weights --with scail,uni3c,clip-vision --shim "$COMFYUI_CUSTOM_NODES"
  python tools/tiny_manifest.py .videogen/tiny
fi
