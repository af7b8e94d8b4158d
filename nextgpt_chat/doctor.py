"""What this machine can run and what is missing, in sentences. Nothing heavy is imported: libraries are asked for their versions only."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import Requirement

from nextgpt_chat.checkpoint import Checkpoint, find_checkpoint
from nextgpt_chat.disk import existing
from nextgpt_chat.errors import UserError
from nextgpt_chat.memory import CARDS, HEADROOM, WAYS, choose, machine_memory, need
from nextgpt_chat.settings import Settings

LEAST_DISK = 500 * 10**6
"""Bytes that should be free for history and media."""


@dataclass(frozen=True)
class Finding:
    """One sentence; `fatal` if the app cannot be served like this."""

    sentence: str
    good: bool
    fatal: bool = False


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything worth knowing, in the order in which a person would ask."""
    yield _python()
    yield from _libraries()
    yield Finding(f"{os.cpu_count()} processor cores.", good=True)
    yield _gpu()
    yield _disk(settings)
    for name in settings.models:
        yield from _model(settings, name)
    yield _port(settings)
    chromium = shutil.which("chromium")
    yield Finding(
        "Chromium is here for the browser tests." if chromium else "Chromium is missing; only the browser tests need it.", good=True
    )


def _python() -> Finding:
    good = sys.version_info >= (3, 11)
    return Finding(
        f"Python {platform.python_version()}{'' if good else ' is too old; 3.11 or newer is needed'}.", good, fatal=not good
    )


def _libraries() -> Iterator[Finding]:
    wrong = []
    try:
        lines = importlib.metadata.requires("nextgpt-chat") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding(
            "The package runs from its folder and is not installed, so the versions of its libraries were not compared.", good=True
        )
        return
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version}, wanted is {requirement.specifier}")
    if wrong:
        yield Finding(f"Libraries: {'; '.join(wrong)}. Run scripts/setup.", good=False, fatal=True)
    else:
        yield Finding("All libraries are here in versions that fit.", good=True)
    if importlib.util.find_spec("torchvision"):
        yield Finding(
            "torchvision is installed. It is not needed, and a build that does not fit PyTorch breaks the model; if it does, uninstall it.",
            good=True,
        )


def _gpu() -> Finding:
    if shutil.which("nvidia-smi"):
        if _for_processors():
            return Finding(
                "There is an NVIDIA GPU, and the installed PyTorch was built for processors alone. Install one that was built for CUDA.",
                good=False,
            )
        return Finding("There is an NVIDIA GPU; it is used if the installed PyTorch was built for it.", good=True)
    return Finding("There is no NVIDIA GPU; the model runs on the processor, which the embedded one is made for.", good=True)


def _disk(settings: Settings) -> Finding:
    folder = existing(settings.data)
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        return Finding(
            f"The data folder {settings.data} cannot be written. Choose another with NEXTGPT_DATA.", good=False, fatal=True
        )
    good = free > LEAST_DISK
    return Finding(f"{free / 10**9:.1f} GB of disk are free for history and media{'' if good else ', which is little'}.", good)


def _model(settings: Settings, name: str) -> Iterator[Finding]:
    try:
        checkpoint = find_checkpoint(settings.checkpoints, name)
    except UserError as error:
        yield Finding(str(error), good=False, fatal=True)
        return
    yield Finding(
        f"The model {checkpoint.title} is complete. It takes {', '.join(checkpoint.inputs)} and makes {', '.join(checkpoint.outputs)}.",
        good=True,
    )
    try:
        yield from _memory(checkpoint, gpu_memories(settings.device))
    except (UserError, OSError, ValueError, LookupError) as error:
        yield Finding(f"{checkpoint.title} cannot be measured: {error}", good=False, fatal=True)


def _memory(checkpoint: Checkpoint, cards: list[int]) -> Iterator[Finding]:
    """How much of this machine's memory the model takes, and in which way it would fit which cards."""
    precision = checkpoint.precision if cards else "float32"
    wanted, there = need(checkpoint, precision), cards or [machine_memory()]
    whole, way = wanted.peaks()["whole"], choose(wanted, there)
    parts = ", ".join(f"{name} {size / 10**9:.2f}" for name, size in wanted.parts.items())
    good = way is not None if cards else way == "whole"
    verdict = "." if way == "whole" else f", into which it fits so: {WAYS[way]}." if cards and way else ", which is too little."
    has = "The GPUs have" if len(cards) > 1 else "The GPU has" if cards else "This machine has"
    yield Finding(
        f"As {precision}, {checkpoint.title} takes {whole / 10**9:.1f} GB here ({parts}, cache {wanted.cache / 10**9:.2f}, "
        f"{(HEADROOM + wanted.most) / 10**9:.1f} to compute in). {has} {' and '.join(f'{size / 10**9:.1f}' for size in there)} GB{verdict}",
        good=good,
    )
    on_card = need(checkpoint, checkpoint.precision)
    fitting: dict[str, list[str]] = {}
    for size in CARDS:
        if fits := choose(on_card, [size * 10**9]):
            fitting.setdefault(fits, []).append(str(size))
    ways = "; ".join(
        f"cards of {', '.join(sizes)} GB {WAYS[way]} ({on_card.peaks()[way] / 10**9:.1f} GB)" for way, sizes in fitting.items()
    )
    least = f"{min(on_card.peaks().values()) / 10**9:.1f} GB at least, more than a card of {CARDS[-1]} GB has"
    yield Finding(
        f"On a GPU, as {checkpoint.precision}, it fits {ways}."
        if ways
        else f"On a GPU, as {checkpoint.precision}, it takes {least}.",
        good=bool(ways),
    )


def gpu_memories(device: str) -> list[int]:
    """Bytes of the NVIDIA GPUs that PyTorch would use for the setting `device`: all that it may see, one (`cuda:1`) or none; also none that answers within
    a few seconds."""
    kind, _, number = device.partition(":")
    if kind == "cpu" or _for_processors() or not (program := shutil.which("nvidia-smi")):
        return []
    command = [program, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        sizes = [int(size) * 2**20 for size in said.split()]
        if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
            sizes = [sizes[int(index)] for index in visible.split(",") if index.strip().isdecimal()]
        return [sizes[int(number)]] if number else sizes
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return []


def _for_processors() -> bool:
    """Whether the installed PyTorch was built without CUDA."""
    return importlib.metadata.version("torch").endswith("+cpu")


def _port(settings: Settings) -> Finding:
    with socket.socket() as probe:
        taken = probe.connect_ex((settings.host if settings.host != "0.0.0.0" else "127.0.0.1", settings.port)) == 0
    if taken:
        return Finding(
            f"Port {settings.port} is taken, perhaps by a running app. Choose another with NEXTGPT_PORT or --port.", good=False
        )
    return Finding(f"Port {settings.port} is free.", good=True)
