"""What the towers of ImageBind are built of: stems, tokens with positions, transformer blocks.

Two kinds of stem become patches here: strided convolutions, which a small tower learns from little, and the plain patches of the published model.
"""

import torch
from torch import Tensor, nn

PATCH = 14
"""Pixels, both ways, of a published patch of pictures; it is as deep as the tower sees frames."""
AUDIO_PATCH = 16
"""Mel bins and frames of a published patch of a spectrogram."""
AUDIO_STRIDE = 10
"""Mel bins and frames from one of them to the next: they overlap."""


class Attention(nn.MultiheadAttention):
    """Self-attention, batch first."""

    def __init__(self, width: int, heads: int, bias_kv: bool = False) -> None:
        """With `bias_kv` there is a learned token that everything can attend to."""
        super().__init__(width, heads, batch_first=True, add_bias_kv=bias_kv)


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int, bias_kv: bool = False) -> None:
        super().__init__()
        self.attn = Attention(width, heads, bias_kv)
        self.norm_1 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential()
        self.mlp.add_module("fc1", nn.Linear(width, 4 * width))
        self.mlp.add_module("gelu", nn.GELU())
        self.mlp.add_module("fc2", nn.Linear(4 * width, width))
        self.norm_2 = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, N, D] -> [B, N, D]; `mask` is added to the attention scores."""
        y = self.norm_1(x)
        x = x + self.attn(y, y, y, attn_mask=mask, need_weights=False)[0]
        return x + self.mlp(self.norm_2(x))


class PatchPreprocessor(nn.Module):
    """Pictures, clips or spectrograms to patch tokens with a class token in front."""

    def __init__(self, stem: nn.Module, patches: int, width: int, norm: nn.Module | None = None) -> None:
        """`stem` makes [B, D, ...] with `patches` positions of what it is given; `norm` is applied to each of them."""
        super().__init__()
        self.rgbt_stem = nn.Module()
        self.rgbt_stem.proj = stem
        self.rgbt_stem.norm_layer = norm or nn.Identity()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embedding_helper = nn.Module()
        self.pos_embedding_helper.pos_embed = nn.Parameter(torch.randn(1, patches + 1, width) / 2)  # as large as the patches

    def forward(self, media: Tensor) -> Tensor:
        """What the stem takes -> [B, 1 + patches, D]."""
        patches = self.rgbt_stem.norm_layer(self.rgbt_stem.proj(media).flatten(2).transpose(1, 2))
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        return tokens + self.pos_embedding_helper.pos_embed


def convolutional_patches(channels: int, stem: tuple[int, ...], size: tuple[int, int], width: int) -> PatchPreprocessor:
    """[B, C, H, W] to patches by convolutions, each of which halves `size`: that of a picture in pixels, or of a spectrogram in frames and bins."""
    layers: list[nn.Module] = []
    for out in stem:
        layers += [
            nn.Conv2d(channels, out, 3, stride=2, padding=1),
            nn.BatchNorm2d(out),
            nn.GELU(),
        ]
        channels = out
    layers += [nn.Conv2d(channels, width, 2, stride=2), nn.BatchNorm2d(width)]
    patch = 2 ** (len(stem) + 1)
    return PatchPreprocessor(nn.Sequential(*layers), (size[0] // patch) * (size[1] // patch), width)


def published_clip_patches(frames: int, size: int, width: int) -> PatchPreprocessor:
    """Clips [B, 3, F, S, S] to patches that are as deep as all F frames.

    The published stem has a layer before the convolution, without weights, that repeats pictures; hence the name `proj.1`.
    """
    patch = (frames, PATCH, PATCH)
    stem = nn.Sequential(nn.Identity(), nn.Conv3d(3, width, patch, stride=patch, bias=False))
    return PatchPreprocessor(stem, (size // PATCH) ** 2, width)


def published_sound_patches(size: tuple[int, int], width: int) -> PatchPreprocessor:
    """Spectrograms [B, 1, M, T] to patches that overlap; `size` is T frames and M mel bins."""
    frames, bins = ((side - AUDIO_PATCH) // AUDIO_STRIDE + 1 for side in size)
    stem = nn.Conv2d(1, width, AUDIO_PATCH, stride=AUDIO_STRIDE, bias=False)
    return PatchPreprocessor(stem, frames * bins, width, nn.LayerNorm(width))


class TextPreprocessor(nn.Module):
    """Token ids to embeddings with positions."""

    def __init__(self, vocabulary: int, length: int, width: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.pos_embed = nn.Parameter(torch.randn(1, length, width) * 0.02)
        nn.init.normal_(self.token_embedding.weight, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        """[B, L] -> [B, L, D]."""
        return self.token_embedding(ids) + self.pos_embed[:, : ids.shape[1]]
