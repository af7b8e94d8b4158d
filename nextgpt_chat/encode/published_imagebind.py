"""The published weights of ImageBind, `imagebind_huge.pth`, as an `ImageBind`.

Nothing but tensors is read from the file, and every name in it is accounted for: either it is a weight here, under the same name, or it is in
`SKIPPED`. The weights are CC-BY-NC 4.0: not for commercial use.
"""

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from nextgpt_chat.encode.imagebind import AUDIO, TEXT, VISION, ImageBind, ImageBindConfig, Trunk
from nextgpt_chat.errors import InputError

IMAGEBIND_HUGE = ImageBindConfig(
    form="published",
    embedding=1024,
    image_size=224,
    frames=2,
    audio_size=(204, 128),
    vocabulary=49_408,
    text_length=77,
    trunks={VISION: Trunk(1280, 32, 16), TEXT: Trunk(1024, 24, 16), AUDIO: Trunk(768, 12, 12)},
)
SKIPPED = (
    *(
        f"{group}.{tower}."
        for group in ("modality_preprocessors", "modality_trunks", "modality_heads", "modality_postprocessors")
        for tower in ("depth", "thermal", "imu")
    ),
    "modality_preprocessors.text.mask",
)
"""Beginnings of the names that are left out: three towers for what nobody sends to a chat, and the causal mask, which is no weight."""
NAMED = 5
"""Names that an error lists of each kind of mistake; of more, it gives the number."""


def from_published(path: Path, config: ImageBindConfig = IMAGEBIND_HUGE) -> ImageBind:
    """Reads `imagebind_huge.pth`; `save_pretrained` of what is returned writes a folder of this project's own.

    The weights stay in the file until they are used. Raises `InputError` for a file that cannot be read, and for one whose names or shapes are not
    those of `config`, with the missing, the left-over and the differently shaped ones.
    """
    with torch.device("meta"):
        model = ImageBind(config)
    found = {name: tensor for name, tensor in _read(path).items() if not name.startswith(SKIPPED)}
    expected = model.state_dict()
    mistakes = [
        *_listed("missing", expected.keys() - found.keys()),
        *_listed("left over", found.keys() - expected.keys()),
        *_listed(
            "of another shape",
            (
                f"{name} ({list(found[name].shape)} instead of {list(expected[name].shape)})"
                for name in expected.keys() & found.keys()
                if found[name].shape != expected[name].shape
            ),
        ),
    ]
    if mistakes:
        raise InputError(
            f"'{path.name}' does not hold the weights of ImageBind-huge: {'; '.join(mistakes)}. Get imagebind_huge.pth again from where ImageBind publishes it."
        )
    model.load_state_dict(found, assign=True)
    return model.eval()


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            f"'{path}' cannot be read as weights of PyTorch ({type(error).__name__}). Accepted is the file imagebind_huge.pth, as ImageBind publishes it."
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise InputError(
            f"'{path}' holds something else than named weights. Accepted is the file imagebind_huge.pth, as ImageBind publishes it."
        )
    return weights


def _listed(mistake: str, names: Iterable[str]) -> list[str]:
    """`3 missing: a, b, c`, or nothing."""
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return [f"{len(ordered)} {mistake}: {', '.join(ordered[:NAMED])}{more}"] if ordered else []
