"""From the encoder's tokens into the language model: the only trained part of tier 1 (section 3 of the paper)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class InputProjection(nn.Module):
    """Learned group tokens gather what the encoder's tokens say, and become language-model embeddings.

    The paper groups with hard assignments in three stages; at this size one stage of soft assignment (attention from the group tokens
    to the encoder's tokens) does the work. Every kind of medium has a grouping of its own.
    """

    def __init__(self, width: int, hidden: int, tokens: Mapping[str, int], heads: int = 4) -> None:
        """`width` features of an encoder token; as many embeddings of `hidden` features out as `tokens` says for each kind."""
        super().__init__()
        self.groupings = nn.ModuleDict({kind: Grouping(width, hidden, count, heads) for kind, count in tokens.items()})

    def forward(self, tokens: Tensor, kind: str) -> Tensor:
        """[B, N, D] tokens of media of one kind -> [B, T, H]."""
        projected: Tensor = self.groupings[kind](tokens)
        return projected


class Grouping(nn.Module):
    """N tokens to T groups."""

    def __init__(self, width: int, hidden: int, tokens: int, heads: int) -> None:
        super().__init__()
        self.group_tokens = nn.Parameter(torch.randn(1, tokens, width))
        self.assign = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, hidden))

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, D] -> [B, T, H]."""
        groups = self.group_tokens.expand(len(tokens), -1, -1)
        gathered, _ = self.assign(groups, tokens, tokens, need_weights=False)
        projected: Tensor = self.mlp(self.norm(groups + gathered))
        return projected


class LinearProjection(nn.Module):
    """One linear layer for all kinds of media, by which an embedding of ImageBind becomes one of the language model.

    That of the only NExT-GPT whose weights were published, `llama_proj`; the paper's later version groups.
    """

    def __init__(self, embedding: int, hidden: int) -> None:
        """`embedding` features of a medium in, `hidden` features out."""
        super().__init__()
        self.llama_proj = nn.Linear(embedding, hidden)

    def forward(self, embeddings: Tensor, _kind: str) -> Tensor:
        """[B, E] -> [B, 1, H]."""
        projected: Tensor = self.llama_proj(embeddings)[:, None]
        return projected
