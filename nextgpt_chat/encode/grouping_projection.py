"""The input projection of the paper's later version (section 3): patches of a medium are grouped in three stages, as GroupViT groups them, into a few
embeddings of the language model.

The stages are those of Transformers' GroupViT; around them stand two linear layers.
"""

from pathlib import Path

from safetensors import safe_open
from torch import Tensor, nn
from transformers import GroupViTVisionConfig
from transformers.models.groupvit.modeling_groupvit import GroupViTStage

WIDTH, HEADS = 512, 8
"""Features and attention heads inside."""
DEPTHS, GROUPS = (6, 3, 3), (64, 8, 0)
"""Blocks of each stage, and the group tokens into which it gathers what it reads; the last one gathers no more."""


class GroupingProjection(nn.Module):
    """N embeddings of patches to 8 embeddings, the same for all kinds of media."""

    def __init__(self, embedding: int, hidden: int, width: int = WIDTH) -> None:
        """`embedding` features of a patch in, `hidden` features out."""
        super().__init__()
        config = GroupViTVisionConfig(
            hidden_size=width, intermediate_size=4 * width, num_attention_heads=HEADS, layer_norm_eps=1e-5
        )
        self.in_fc, self.norm, self.out_fc = nn.Linear(embedding, width), nn.LayerNorm(width), nn.Linear(width, hidden)
        before = (0, *GROUPS)
        self.stages = nn.ModuleList(
            GroupViTStage(config, depth, before[number], groups, groups)
            for number, (depth, groups) in enumerate(zip(DEPTHS, GROUPS, strict=True))
        )

    def forward(self, patches: Tensor, _kind: str) -> Tensor:
        """[B, N, E] -> [B, 8, H]."""
        read, groups = self.in_fc(patches), None
        for stage in self.stages:
            read, groups = stage(read, groups)
        projected: Tensor = self.out_fc(self.norm(read))
        return projected


def width_in(path: Path) -> int:
    """Features inside of the projection whose weights lie in a file."""
    with safe_open(path, framework="pt") as weights:
        return int(weights.get_slice("norm.weight").get_shape()[0])
