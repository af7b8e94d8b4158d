"""Pictures and sounds through the towers that an omni language model brings: no projection is trained, since its own is part of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoImageProcessor, PreTrainedModel, WhisperFeatureExtractor

from nextgpt_chat.conversation import Media
from nextgpt_chat.media.audio_file import RATE
from nextgpt_chat.media.stored import read_medium

KINDS = ("image", "audio")
"""Of media that it takes."""
MARKS = {"image": ("<|vision_bos|>", "<|IMAGE|>", "<|vision_eos|>"), "audio": ("<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>")}
"""Special tokens before a medium, in its places, and behind it."""
MOST_PATCHES = 768
"""Embeddings of one picture; a larger one is reduced."""
THINNEST = 100
"""Times that a picture may be as long as it is wide; a thinner one is made wider by repeating its edge, since the towers refuse it."""
CACHED_MEDIA = 64
"""Media whose embeddings are kept."""


@dataclass(frozen=True)
class _Seen:
    """What the towers made of a medium."""

    embeddings: Tensor
    """[1, T, H]."""
    extent: Tensor
    """Of a picture its grid [1, 3], of a sound the frames of its spectrogram [1]."""


class OwnTowers:
    """The towers of `Qwen2_5OmniThinkerForConditionalGeneration`."""

    part = "language model"
    marks: dict[str, tuple[str, str, str]] | None = MARKS

    def __init__(self, model: PreTrainedModel, folder: Path, device: torch.device) -> None:
        """Reads how media are prepared from `folder`. Raises `OSError` if that is not there."""
        self.model, self.device = model, device
        self.pictures = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        self.sounds = WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
        self._known: dict[str, _Seen] = {}

    def to(self, device: torch.device) -> None:
        """See `Encoder`: the towers move with the language model."""

    def tokens(self, medium: Media) -> int:
        """Language-model positions that this medium occupies."""
        return int(self._see(medium).embeddings.shape[1])

    def __call__(self, medium: Media) -> Tensor:
        """[1, T, H]."""
        return self._see(medium).embeddings

    def positions(self, ids: list[int], media: list[Media]) -> Tensor:
        """Where the words and the patches of `media` stand, in time, height and width: [3, 1, L]."""
        seen = {kind: [self._see(medium).extent for medium in media if medium.kind == kind] for kind in KINDS}
        prompt = torch.tensor([ids], device=self.device)
        found: Tensor = self.model.get_rope_index(
            prompt,
            image_grid_thw=torch.cat(seen["image"]) if seen["image"] else None,
            audio_seqlens=torch.cat(seen["audio"]) if seen["audio"] else None,
            attention_mask=torch.ones_like(prompt),
        )[0]
        return found

    def _see(self, medium: Media) -> _Seen:
        if medium.sha256 not in self._known:
            if len(self._known) >= CACHED_MEDIA:
                self._known.pop(next(iter(self._known)))
            array = read_medium(medium.kind, medium.path, 1)
            self._known[medium.sha256] = self._picture(array) if medium.kind == "image" else self._sound(array)
        return self._known[medium.sha256]

    @torch.inference_mode()
    def _picture(self, pixels: Any) -> _Seen:
        side = self.pictures.patch_size * self.pictures.merge_size
        size = {"shortest_edge": 4 * side**2, "longest_edge": MOST_PATCHES * side**2}
        least = -(-max(pixels.shape[:2]) // THINNEST)
        wider = [(0, max(0, least - side)) for side in pixels.shape[:2]]
        pixels = np.pad(pixels, (*wider, (0, 0)), mode="edge")
        prepared = self.pictures(images=[pixels], size=size, input_data_format="channels_last", return_tensors="pt").to(self.device)
        made = self.model.get_image_features(prepared["pixel_values"].to(self.model.dtype), prepared["image_grid_thw"])
        return _Seen(torch.cat(list(made.pooler_output))[None], prepared["image_grid_thw"])

    @torch.inference_mode()
    def _sound(self, samples: Any) -> _Seen:
        step = self.sounds.hop_length
        length = (len(samples) + RATE // 10) // step * step  # with some silence behind it, as sounds had that it was trained on
        prepared = self.sounds(
            samples, sampling_rate=RATE, padding="max_length", max_length=length, return_attention_mask=True, return_tensors="pt"
        ).to(self.device)
        heard = prepared["attention_mask"]
        made = self.model.get_audio_features(prepared["input_features"].to(self.model.dtype), heard)
        return _Seen(made.last_hidden_state[None], heard.sum(dim=1))
