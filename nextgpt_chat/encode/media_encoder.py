"""Tier 1 as one function: a stored medium becomes embeddings of the language model, by ImageBind and the input projection."""

import torch
from torch import Tensor, nn

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.conversation import Media
from nextgpt_chat.encode.grouping_projection import GroupingProjection, width_in
from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.encode.input_projection import InputProjection, LinearProjection
from nextgpt_chat.encode.preprocessing import media_tensor
from nextgpt_chat.weights import load_into

CACHED_MEDIA = 256
"""Media whose embeddings are kept, so that a conversation does not encode its pictures again each turn."""


class MediaEncoder(nn.Module):
    """ImageBind and the input projection of a checkpoint."""

    part = "encoder"
    marks: dict[str, tuple[str, str, str]] | None = None

    def __init__(self, checkpoint: Checkpoint, hidden: int, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        """`hidden` features of a language-model embedding. ImageBind is computed in `dtype`, the projection in float32."""
        super().__init__()
        self.imagebind = ImageBind.from_pretrained(checkpoint.part("imagebind")).to(device, dtype)
        self.device = device
        self.projection: InputProjection | LinearProjection | GroupingProjection
        embedding = self.imagebind.config.embedding
        if checkpoint.input_projection == "linear":
            self.projection, self._see = LinearProjection(embedding, hidden), self.imagebind.encode_media
        elif checkpoint.input_projection == "groupvit":
            self.projection, self._see = (
                GroupingProjection(embedding, hidden, width_in(checkpoint.part("input_projection.safetensors"))),
                self.imagebind.patch_embeddings,
            )
        else:
            width = self.imagebind.config.trunks["vision"].width
            self.projection, self._see = InputProjection(width, hidden, checkpoint.input_tokens), self.imagebind.media_tokens
        self._tokens = checkpoint.input_tokens
        load_into(self.projection, checkpoint.part("input_projection.safetensors"), device)
        self._known: dict[str, Tensor] = {}

    def tokens(self, medium: Media) -> int:
        """Language-model positions that this medium occupies."""
        return self._tokens[medium.kind]

    def positions(self, ids: list[int], media: list[Media]) -> None:
        """See `Encoder`: one after the other."""

    @torch.inference_mode()
    def forward(self, medium: Media) -> Tensor:
        """As many embeddings [1, T, H] as the checkpoint's `input_tokens` says of this kind of medium."""
        if medium.sha256 not in self._known:
            tensor = media_tensor(medium, self.imagebind.config)[None]
            seen = self._see(tensor.to(self.device, self.imagebind.dtype), medium.kind).float()
            if len(self._known) >= CACHED_MEDIA:
                self._known.pop(next(iter(self._known)))
            self._known[medium.sha256] = self.projection(seen, medium.kind)
        return self._known[medium.sha256]
