"""The decoder of each kind of medium."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch

from nextgpt_chat.checkpoint import Checkpoint, Decoding
from nextgpt_chat.errors import SetupError
from nextgpt_chat.generate.any_decoder import AnyDecoder
from nextgpt_chat.generate.audio_decoder import AudioDecoder
from nextgpt_chat.generate.decoding import Decoder
from nextgpt_chat.generate.families import FAMILIES
from nextgpt_chat.generate.image_decoder import ImageDecoder
from nextgpt_chat.generate.video_decoder import FirstFrame, VideoDecoder

THE_PAPERS = {"image": "StableDiffusionPipeline", "video": "TextToVideoSDPipeline", "audio": "AudioLDMPipeline"}
"""Pipelines that the paper uses. What they make can also begin from an earlier medium."""


def load_decoders(
    checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype = torch.float32
) -> Iterator[tuple[str, Decoder]]:
    """The decoders of a checkpoint and their kinds of media, each loaded when it is asked for. Raises `SetupError` for a pipeline that cannot be one."""
    decoders: dict[str, Decoder] = {}
    for kind in THE_PAPERS:  # a clip may need what draws pictures
        if not (decoding := checkpoint.decoding.get(kind)):
            continue
        folder = checkpoint.part(f"{kind}_decoder")
        named = _named(kind, folder)
        if named != THE_PAPERS[kind]:
            decoders[kind] = AnyDecoder(folder, named, device, decoding.size, decoding.width, decoding.frame_rate, dtype)
        elif kind == "image":
            decoders[kind] = ImageDecoder(folder, decoding.size, device, dtype)
        elif kind == "video":
            decoders[kind] = VideoDecoder(
                folder, decoding.size, device, _first(checkpoint, decoding, decoders), decoding.width, dtype
            )
        else:
            decoders[kind] = AudioDecoder(folder, device, decoding.unit_prompt, dtype)
        yield kind, decoders[kind]


def _first(checkpoint: Checkpoint, decoding: Decoding, decoders: dict[str, Decoder]) -> FirstFrame | None:
    return FirstFrame(decoders["image"], checkpoint.decoding["image"].strength) if decoding.first_frame else None


def _named(kind: str, folder: Path) -> str:
    """The class of the pipeline in `folder`, which makes media of this kind."""
    accepted = [THE_PAPERS[kind], *(name for name, family in FAMILIES.items() if family.kind == kind)]
    try:
        named = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))["_class_name"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SetupError(f"There is no pipeline of Diffusers in {folder}: model_index.json is missing or broken.") from error
    if named not in accepted:
        raise SetupError(f"The pipeline in {folder} is a {named}. For {kind}s these can be used: {', '.join(accepted)}.")
    return str(named)
