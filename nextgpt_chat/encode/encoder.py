"""What every encoder is asked: a medium becomes embeddings of the language model. And which one a checkpoint has."""

from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.conversation import Media
from nextgpt_chat.encode.media_encoder import MediaEncoder
from nextgpt_chat.encode.own_towers import OwnTowers


class Encoder(Protocol):
    """Tier 1. Another one needs these, and its name in `load_encoder`."""

    part: str
    """What must be where it works meanwhile: the part `encoder`, which it is itself, or `language model`, whose towers it uses."""
    marks: dict[str, tuple[str, str, str]] | None
    """Special tokens before a medium, in its places, and behind it, by kind; None if nothing but embeddings tells of it."""

    def to(self, device: torch.device) -> Any:
        """Moves the weights that are its own."""
        ...

    def tokens(self, medium: Media) -> int:
        """Language-model positions that this medium occupies."""
        ...

    def __call__(self, medium: Media) -> Tensor:
        """Embeddings [1, T, H]."""
        ...

    def positions(self, ids: list[int], media: list[Media]) -> Tensor | None:
        """Where the tokens of a prompt with `media` stand, in time, height and width [3, 1, L]; None if one after the other."""
        ...


def load_encoder(
    checkpoint: Checkpoint, model: PreTrainedModel, device: torch.device, dtype: torch.dtype = torch.float32
) -> Encoder | None:
    """The encoder of a checkpoint for its language model, on `device`; None if it takes words alone."""
    if checkpoint.input_projection == "own":
        return OwnTowers(model, checkpoint.part("llm"), device)
    if checkpoint.input_tokens:
        return MediaEncoder(checkpoint, int(model.config.get_text_config().hidden_size), device, dtype)
    return None
