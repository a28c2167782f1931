"""Takes ComfyUI's place in `/opt/comfyui` where no GPU and no gigabytes are wanted: the image that CI proves."""

import runpy
import sys

sys.path.insert(0, "/opt/video-gen/src")  # whoever starts ComfyUI hands it no environment but what ComfyUI needs
runpy.run_module("videogen.standin", run_name="__main__")
