"""The names and shapes of everything in `imagebind_huge.pth`, written down from the published model, and random weights of that form."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tower:
    """One modality of the published model."""

    width: int
    blocks: int
    tokens: int
    """Positions, with the class token where there is one."""
    stem: dict[str, tuple[int, ...]]
    """What is before the trunk, besides positions and class token; its first size, the width, is left out."""
    head: tuple[str, str] = ("0", "2")
    """Names of normalisation and projection."""
    positions: str = "pos_embedding_helper.pos_embed"
    bias_kv: bool = True
    first_norm: bool = False
    scaled: bool = True


def patches(stem: str, side: int) -> dict[str, tuple[int, ...]]:
    return {f"{stem}.proj.weight": (1, side, side), f"{stem}.norm_layer.weight": (), f"{stem}.norm_layer.bias": ()}


HUGE = {
    "vision": Tower(1280, 32, 257, {"rgbt_stem.proj.1.weight": (3, 2, 14, 14)}, bias_kv=False, first_norm=True, scaled=False),
    "text": Tower(1024, 24, 77, {}, ("proj.0", "proj.1"), positions="pos_embed", bias_kv=False),
    "audio": Tower(768, 12, 229, patches("rgbt_stem", 16)),
    "depth": Tower(384, 12, 197, patches("depth_stem", 16)),
    "thermal": Tower(768, 12, 197, patches("rgbt_stem", 16)),
    "imu": Tower(
        512,
        6,
        251,
        {"imu_stem.proj.weight": (48,), "imu_stem.norm_layer.weight": (), "imu_stem.norm_layer.bias": ()},
        ("0", "3"),
        positions="pos_embed",
    ),
}
NARROW = {
    "vision": Tower(16, 2, 5, {"rgbt_stem.proj.1.weight": (3, 2, 14, 14)}, bias_kv=False, first_norm=True, scaled=False),
    "text": Tower(24, 2, 9, {}, ("proj.0", "proj.1"), positions="pos_embed", bias_kv=False),
    "audio": Tower(8, 2, 7, patches("rgbt_stem", 16)),
    "depth": Tower(8, 1, 5, patches("depth_stem", 16)),
}
"""For pictures of 28 pixels and sounds of 36 frames and 26 bins."""


def published_shapes(towers: dict[str, Tower], embedding: int, vocabulary: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for name, tower in towers.items():
        d, front, trunk = tower.width, f"modality_preprocessors.{name}.", f"modality_trunks.{name}."
        shapes[front + tower.positions] = (1, tower.tokens, d)
        shapes |= {front + stem: (d, *sizes) for stem, sizes in tower.stem.items()}
        if name == "text":
            shapes |= {front + "token_embedding.weight": (vocabulary, d), front + "mask": (tower.tokens, tower.tokens)}
        else:
            shapes[front + "cls_token"] = (1, 1, d)
        if tower.first_norm:
            shapes |= {f"{trunk}pre_transformer_layer.0.{kind}": (d,) for kind in ("weight", "bias")}
        for i in range(tower.blocks):
            block = f"{trunk}blocks.{i}."
            shapes |= {f"{block}attn.in_proj_weight": (3 * d, d), f"{block}attn.in_proj_bias": (3 * d,)}
            shapes |= {f"{block}attn.out_proj.weight": (d, d), f"{block}attn.out_proj.bias": (d,)}
            shapes |= {f"{block}attn.bias_{side}": (1, 1, d) for side in "kv" if tower.bias_kv}
            shapes |= {f"{block}norm_{number}.{kind}": (d,) for number in (1, 2) for kind in ("weight", "bias")}
            shapes |= {f"{block}mlp.fc1.weight": (4 * d, d), f"{block}mlp.fc1.bias": (4 * d,)}
            shapes |= {f"{block}mlp.fc2.weight": (d, 4 * d), f"{block}mlp.fc2.bias": (d,)}
        norm, projection = (f"modality_heads.{name}.{layer}." for layer in tower.head)
        shapes |= {norm + "weight": (d,), norm + "bias": (d,), projection + "weight": (embedding, d)}
        if tower.scaled:
            shapes[f"modality_postprocessors.{name}.1.log_logit_scale"] = ()
    return shapes


def random_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """All of them far from zero and one, so that none can be left out unseen."""
    generator = torch.Generator().manual_seed(0)
    return {name: 0.4 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
