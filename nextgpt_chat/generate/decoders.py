"""The decoder of each kind of medium."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from nextgpt_chat.checkpoint import THE_PAPERS, Checkpoint, Decoding, pipeline_class
from nextgpt_chat.errors import SetupError
from nextgpt_chat.generate.any_decoder import AnyDecoder
from nextgpt_chat.generate.audio_decoder import AudioDecoder
from nextgpt_chat.generate.decoding import Decoder
from nextgpt_chat.generate.families import FAMILIES, Family, family_of
from nextgpt_chat.generate.image_decoder import ImageDecoder
from nextgpt_chat.generate.video_decoder import FirstFrame, VideoDecoder


def load_decoders(
    checkpoint: Checkpoint, device_of: Callable[[str], torch.device], dtype: torch.dtype = torch.float32
) -> Iterator[tuple[str, Decoder]]:
    """The decoders of a checkpoint and their kinds of media, each loaded when it is asked for; `device_of` says where `image decoder` will work.

    Raises `SetupError` for a pipeline that cannot be one, or not by the projection that the checkpoint has.
    """
    decoders: dict[str, Decoder] = {}
    for kind in THE_PAPERS:  # a clip may need what draws pictures
        if not (decoding := checkpoint.decoding.get(kind)):
            continue
        folder, device = checkpoint.part(f"{kind}_decoder"), device_of(f"{kind} decoder")
        named = pipeline_class(folder)
        if named != THE_PAPERS[kind]:
            family = _family(kind, named, folder, kind in checkpoint.signals)
            decoders[kind] = AnyDecoder(folder, named, family, device, decoding.size, decoding.width, decoding.frame_rate, dtype)
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


def _family(kind: str, named: str, folder: Path, projected: bool) -> Family:
    """How the pipeline in `folder` makes media of this kind, from prompt embeddings if it is `projected`."""
    known = [THE_PAPERS[kind], *(name for name, family in FAMILIES.items() if family.kind == kind)]
    family = family_of(named, kind)
    if not family:
        raise SetupError(
            f"The pipeline in {folder} is a {named}. For {kind}s these can be used: {', '.join(known)}, and others of Diffusers that make {kind}s from "
            "a caption alone."
        )
    if projected and not family.embedded:
        raise SetupError(
            f"The pipeline in {folder} is a {named}, which no projection can drive: name {kind} in 'captions', not in 'signals'. A projection can drive: "
            f"{', '.join(known)}."
        )
    return family
