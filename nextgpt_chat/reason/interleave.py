"""Projected media between the words: the sequence of embeddings that the language model reads."""

import torch
from torch import Tensor


def interleave(words: Tensor, media: Tensor, rows: Tensor, starts: Tensor) -> Tensor:
    """Puts media in the place of their placeholders.

    words: [B, L, H] embedded token ids; media: [N, T, H] projected media; rows, starts: [N], the sequence and the first position of
    each medium. Returns a new tensor [B, L, H].
    """
    positions = starts[:, None] + torch.arange(media.shape[1], device=starts.device)
    return words.index_put((rows[:, None].expand_as(positions), positions), media.to(words.dtype))


def signal_states(states: Tensor, rows: Tensor, starts: Tensor, count: int) -> Tensor:
    """The vectors [N, count, H] of `states` [B, L, H] at the signal groups that begin at `starts` [N] of the sequences `rows` [N]."""
    positions = starts[:, None] + torch.arange(count, device=starts.device)
    return states[rows[:, None].expand_as(positions), positions]
