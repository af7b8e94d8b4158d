"""GPUs that are not there: `card:0`, `card:1`. PyTorch takes them for devices; what lies on them lies in main memory.

What an operation is given must be on one of them, as on true ones: a tensor that was forgotten on another device, or in main memory, is an error.
So moves between devices can be shown without a GPU. Memory and speed cannot.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "card"
COUNT = 2
MOVES = {"aten::copy_", "aten::_copy_from", "aten::_to_copy"}
"""Operations between devices."""
INDEXES = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}
"""Those that take indices from main memory."""

OF_UNKNOWN_SIZE = [
    ("arange", "default"),
    ("arange", "start"),
    ("arange", "start_step"),
    ("hann_window", "default"),
    ("hann_window", "periodic"),
    ("linspace", "default"),
]
"""Operations that begin with no memory and resize it, which what stands for a tensor here would not notice."""


class OnCard(Tensor):
    """A tensor on such a device; `raw` is where it truly lies."""

    raw: Tensor

    @staticmethod
    def __new__(cls, raw: Tensor, device: torch.device) -> OnCard:
        made: OnCard = Tensor._make_wrapper_subclass(cls, raw.size(), strides=raw.stride(), dtype=raw.dtype, device=device)
        made.raw = raw
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    def numpy(self, *, force: bool = False) -> Any:
        if not force:
            raise TypeError("This tensor is on a card. Use .cpu() first.")
        return self.raw.numpy(force=True)

    def tolist(self) -> Any:
        return self.raw.tolist()


def install() -> list[torch.library.Library]:
    """Makes the cards known to PyTorch, for as long as what is returned is kept. Not to be undone in this process."""
    _setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
    made, other = torch.library.Library("aten", "IMPL"), torch.library.Library("_", "IMPL")
    made.impl("empty.memory_format", _empty, "PrivateUse1")
    made.impl("empty_strided", _empty_strided, "PrivateUse1")
    for name, overload in OF_UNKNOWN_SIZE:
        made.impl(
            f"{name}.{overload}".removesuffix(".default"),
            _made_there(getattr(getattr(torch.ops.aten, name), overload)),
            "PrivateUse1",
        )
    made.impl("_copy_from", _copy_from, "PrivateUse1")
    other.fallback(lambda op, *args, **kwargs: _run(op, args, kwargs), "PrivateUse1")
    return [made, other]


class _Module(_DummyBackendModule):  # type: ignore[misc]
    def device_count(self) -> int:
        return COUNT

    def empty_cache(self) -> None:
        pass


def _on(device: torch.device | None, raw: Tensor) -> OnCard:
    return OnCard(raw, torch.device(NAME, (device.index if device else 0) or 0))


def _empty(size: list[int], *, dtype: torch.dtype | None = None, device: torch.device | None = None, **_: Any) -> OnCard:
    return _on(device, torch.empty(size, dtype=dtype))


def _empty_strided(
    size: list[int], stride: list[int], *, dtype: torch.dtype | None = None, device: torch.device | None = None, **_: Any
) -> OnCard:
    return _on(device, torch.empty_strided(size, stride, dtype=dtype))


def _made_there(operation: Any) -> Any:
    def make(*args: Any, device: torch.device | None = None, layout: Any = None, pin_memory: Any = None, **kwargs: Any) -> OnCard:
        return _on(device, operation(*args, **kwargs))

    return make


def _copy_from(source: Tensor, target: OnCard, _non_blocking: bool = False) -> OnCard:
    target.raw.copy_(source.raw if isinstance(source, OnCard) else source)
    return target


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    """An operation in main memory, whose results are where its tensors were."""
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
        return func.decompose(*args, **kwargs)
    given, shape = tree_flatten((args, kwargs))
    cards = [one for one in given if isinstance(one, OnCard)]
    name = func._schema.name
    _check(name, given, {str(one.device) for one in cards})
    if name == "aten::_fused_sdp_choice":
        return 0  # attention in small steps, as every device has it
    asked = kwargs.get("device")
    there = torch.device(asked) if asked is not None else args[0].device if name == "aten::copy_" else cards[0].device
    args, kwargs = tree_unflatten([one.raw if isinstance(one, OnCard) else one for one in given], shape)
    made = func(*args, **(kwargs | ({"device": "cpu"} if asked is not None else {})))
    known = {id(one.raw): one for one in cards}

    def back(value: Any) -> Any:
        if not isinstance(value, Tensor) or there.type != NAME:
            return value
        return known.get(id(value)) if id(value) in known else _on(there, value)

    shared = func.is_view and not any(one.is_inference() for one in cards)  # a view of what may be trained is no inference tensor
    with torch.inference_mode(False) if shared else contextlib.nullcontext():
        return tree_map(back, made)


def _check(name: str, given: list[Any], cards: set[str]) -> None:
    if name in MOVES:
        return
    forgotten = [
        one
        for one in given
        if isinstance(one, Tensor)
        and not isinstance(one, OnCard)
        and one.dim()
        and not (name in INDEXES and not one.is_floating_point())
    ]
    if len(cards) > 1 or (cards and forgotten):
        found = [*sorted(cards), *(f"main memory {list(one.shape)}" for one in forgotten)]
        raise RuntimeError(f"{name}: tensors on different devices: {', '.join(found)}")
