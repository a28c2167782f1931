"""Which inputs list the files of a folder, so that their choices come from the machine and not from the recording.

Sources: the folder keys of ComfyUI 0.27 (`/internal/folder_paths`) and the class of each loader; `ModelPatchLoader`
and `FrameInterpolationModelLoader` as read in 0.38. Loaders whose folder is not known for sure are left out: what
they name is then not judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class FileList:
    """The choices of an input: the files of `folder`, then `also`.

    `complaint` is what the node's own check says of an absent file; such inputs may name files in subfolders, and
    the server answers `custom_validation_failed` for them instead of `value_not_in_list`. `media` is the kind of
    file that the list shows.
    """

    folder: str
    also: tuple[str, ...] = ()
    complaint: str | None = None
    media: str | None = None


def _input(kind: str) -> FileList:
    return FileList("input", complaint=f"Invalid {kind} file: ", media=kind)


_BY_FOLDER: dict[str, tuple[tuple[str, str], ...]] = {
    "audio_encoders": (("AudioEncoderLoader", "audio_encoder_name"),),
    "background_removal": (("LoadBackgroundRemovalModel", "bg_removal_name"),),
    "checkpoints": (
        ("CheckpointLoader", "ckpt_name"),
        ("CheckpointLoaderSimple", "ckpt_name"),
        ("CreateHookModelAsLora", "ckpt_name"),
        ("CreateHookModelAsLoraModelOnly", "ckpt_name"),
        ("ImageOnlyCheckpointLoader", "ckpt_name"),
        ("LTXAVTextEncoderLoader", "ckpt_name"),
        ("LTXVAudioVAELoader", "ckpt_name"),
        ("unCLIPCheckpointLoader", "ckpt_name"),
    ),
    "clip_vision": (("CLIPVisionLoader", "clip_name"),),
    "controlnet": (("ControlNetLoader", "control_net_name"), ("DiffControlNetLoader", "control_net_name")),
    "diffusion_models": (("UNETLoader", "unet_name"),),
    "frame_interpolation": (("FrameInterpolationModelLoader", "model_name"),),
    "gligen": (("GLIGENLoader", "gligen_name"),),
    "hypernetworks": (("HypernetworkLoader", "hypernetwork_name"),),
    "latent_upscale_models": (("LatentUpscaleModelLoader", "model_name"),),
    "loras": (
        ("CreateHookLora", "lora_name"),
        ("CreateHookLoraModelOnly", "lora_name"),
        ("LoraLoader", "lora_name"),
        ("LoraLoaderBypass", "lora_name"),
        ("LoraLoaderBypassModelOnly", "lora_name"),
        ("LoraLoaderModelOnly", "lora_name"),
    ),
    "model_patches": (("ModelPatchLoader", "name"),),
    "optical_flow": (("OpticalFlowLoader", "model_name"),),
    "photomaker": (("PhotoMakerLoader", "photomaker_model_name"),),
    "style_models": (("StyleModelLoader", "style_model_name"),),
    "text_encoders": (
        ("CLIPLoader", "clip_name"),
        ("DualCLIPLoader", "clip_name1"),
        ("DualCLIPLoader", "clip_name2"),
        ("TripleCLIPLoader", "clip_name1"),
        ("TripleCLIPLoader", "clip_name2"),
        ("TripleCLIPLoader", "clip_name3"),
        ("QuadrupleCLIPLoader", "clip_name1"),
        ("QuadrupleCLIPLoader", "clip_name2"),
        ("QuadrupleCLIPLoader", "clip_name3"),
        ("QuadrupleCLIPLoader", "clip_name4"),
        ("LTXAVTextEncoderLoader", "text_encoder"),
    ),
    "upscale_models": (("UpscaleModelLoader", "model_name"),),
}

FILE_LISTS: Mapping[tuple[str, str], FileList] = MappingProxyType(
    {place: FileList(folder) for folder, places in _BY_FOLDER.items() for place in places}
    | {
        ("VAELoader", "vae_name"): FileList("vae", also=("pixel_space",)),
        ("LoadAudio", "audio"): _input("audio"),
        ("LoadImage", "image"): _input("image"),
        ("LoadImageMask", "image"): _input("image"),
        ("LoadVideo", "file"): _input("video"),
    }
)
"""(class, input) → the files it lists."""
