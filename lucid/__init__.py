"""RoIAlign for feature maps on disk and in memory.

`lucid.extract` reads feature maps and RoIs from files and writes the crops, `lucid.preview` draws
what it would do, `lucid.verify` makes crops anew and compares them, and `lucid.frame` says in which
coordinates boxes are. `lucid.models.utils.roi_align` and `ROIAlign` make the crops of arrays and
Tensors in memory.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lucid import errors, models, nn, random, roi
    from lucid._config import show_config
    from lucid._graph import no_grad
    from lucid._tensor import Tensor
    from lucid.errors import (
        DTypeError,
        FrameError,
        FrameWarning,
        GradientError,
        LucidError,
        MemoryLimitError,
        RoiError,
        ShapeError,
        SinkError,
        SourceError,
    )
    from lucid.fitter.frame import frame
    from lucid.roi.engines.selection import get_engine, set_engine
    from lucid.roi.threads import free_buffers, get_num_threads, set_num_threads
    from lucid.stream.extract import extract
    from lucid.verifier.verify import verify
    from lucid.viewer.preview import preview

__version__ = "0.1.0"

__all__ = [
    "DTypeError",
    "FrameError",
    "FrameWarning",
    "GradientError",
    "LucidError",
    "MemoryLimitError",
    "RoiError",
    "ShapeError",
    "SinkError",
    "SourceError",
    "Tensor",
    "errors",
    "extract",
    "frame",
    "free_buffers",
    "get_engine",
    "get_num_threads",
    "models",
    "nn",
    "no_grad",
    "preview",
    "random",
    "roi",
    "set_engine",
    "set_num_threads",
    "show_config",
    "verify",
]

# Names are fetched when first used: the command's --help needs no NumPy, arrays need no h5py.
_HOMES = {
    "Tensor": "lucid._tensor",
    "extract": "lucid.stream.extract",
    "frame": "lucid.fitter.frame",
    "free_buffers": "lucid.roi.threads",
    "get_engine": "lucid.roi.engines.selection",
    "get_num_threads": "lucid.roi.threads",
    "no_grad": "lucid._graph",
    "preview": "lucid.viewer.preview",
    "set_engine": "lucid.roi.engines.selection",
    "set_num_threads": "lucid.roi.threads",
    "show_config": "lucid._config",
    "verify": "lucid.verifier.verify",
}
_MODULES = ("errors", "models", "nn", "random", "roi")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"lucid.{name}")
    if name not in __all__:
        raise AttributeError(f"module 'lucid' has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "lucid.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
