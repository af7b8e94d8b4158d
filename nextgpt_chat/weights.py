"""Files of weights: nothing but tensors is read from them, and every name is accounted for."""

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from nextgpt_chat.errors import InputError, SetupError

NAMED = 5
"""Names that an error lists of each kind of mistake; of more, it gives the number."""


def read_weights(path: Path, accepted: str) -> dict[str, Tensor]:
    """The named tensors in a file; they stay there until they are used. Raises `InputError`, which says what is `accepted` instead."""
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            f"'{path}' cannot be read as weights of PyTorch ({type(error).__name__}). Accepted is {accepted}."
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise InputError(f"'{path}' holds something else than named weights. Accepted is {accepted}.")
    return weights


def load_into(module: nn.Module, path: Path, device: torch.device) -> None:
    """Gives `module` the weights in a safetensors file, as float32, and moves it to `device`, for use. Raises `SetupError` if they do not fit."""
    try:
        found = {name: tensor.float() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise SetupError(f"The weights in {path} cannot be read: {error}. Get the file again.") from error
    if wrong := mistakes(found, {name: tensor.shape for name, tensor in module.state_dict().items()}):
        raise SetupError(f"The weights in {path} do not fit the description of the model: {wrong}.")
    module.load_state_dict(found)
    module.eval().to(device)


def mistakes(found: Mapping[str, Tensor], expected: Mapping[str, torch.Size]) -> str:
    """What is wrong with names and shapes, for a sentence: the missing, the left-over and the differently shaped ones. Empty if nothing is."""
    shapes = (
        f"{name} ({list(found[name].shape)} instead of {list(expected[name])})"
        for name in expected.keys() & found.keys()
        if found[name].shape != expected[name]
    )
    listed = (
        _listed("missing", expected.keys() - found.keys()),
        _listed("left over", found.keys() - expected.keys()),
        _listed("of another shape", shapes),
    )
    return "; ".join(filter(None, listed))


def _listed(mistake: str, names: Iterable[str]) -> str:
    """`3 missing: a, b, c`, or nothing."""
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return f"{len(ordered)} {mistake}: {', '.join(ordered[:NAMED])}{more}" if ordered else ""
