"""How alike pictures are by a model of the user's: an ONNX file of an image embedding (DINO, CLIP, MobileNet, …)."""

from pathlib import Path

import numpy as np

from videogen.errors import InputError, ToolMissing
from videogen.likeness import Numbers, Pixels

_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
"""Of ImageNet's colours, with which such models are trained; CLIP's differ by less than 0.04."""
_SIDE = 224
"""Where the model takes any size."""


class Embedding:
    """A loaded model; raises `InputError` for a file that is none, `ToolMissing` without the package onnxruntime."""

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime  # an optional package of 20 MB that nothing else needs
            from onnxruntime.capi import onnxruntime_pybind11_state as its
        except ImportError:
            raise ToolMissing("the package onnxruntime is not installed", "pip install onnxruntime") from None
        if not path.is_file():
            raise InputError.of(str(path), "no such file")
        errors = its.Fail, its.InvalidArgument, its.InvalidGraph, its.InvalidProtobuf, its.NotImplemented
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except (*errors, its.RuntimeException) as error:
            raise InputError.of(str(path), f"is no ONNX model: {str(error).splitlines()[0][:200]}") from None
        given = self._session.get_inputs()
        shape = given[0].shape
        if len(given) != 1 or len(shape) != 4 or shape[1] != 3:
            raise InputError.of(str(path), f"should take one picture as (1, 3, height, width), takes {shape}")
        self._input = given[0].name
        self.name = f"embedding {path.name}"
        """The measure's name, for whoever reads its numbers."""
        self.side = shape[2] if isinstance(shape[2], int) else _SIDE

    def signature(self, picture: Pixels) -> Numbers:
        """The embedding of a picture of `side` × `side` pixels, of length 1."""
        values = ((picture / 255 - _MEAN) / _DEVIATION).astype(np.float32).transpose(2, 0, 1)[None]
        found = np.asarray(self._session.run(None, {self._input: values})[0], np.float64).ravel()
        return found / max(float(np.linalg.norm(found)), 1e-12)

    def alike(self, one: Numbers, other: Numbers) -> float:
        """Cosine of two signatures, −1 to 1."""
        length = float(np.linalg.norm(one) * np.linalg.norm(other))
        return float(one @ other) / max(length, 1e-12)
