"""ImageBind: one embedding space for pictures, clips, sounds and words (Girdhar et al., arXiv 2305.05665).

One transformer trunk per modality, every trunk ending in a head that projects into the shared space. Pictures and clips share a trunk: it
sees two frames, and a picture is one frame twice. Sounds are seen as log-mel spectrograms. The names of the weights are those of the
published model (`modality_preprocessors`, `modality_trunks`, `modality_heads`), so that larger encoders of the same shape load into the
same module.

This module maps tensors to embeddings. It does not read files and does not know the language model.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

VISION = "vision"
TEXT = "text"
AUDIO = "audio"
TRUNKS = {"image": VISION, "video": VISION, "audio": AUDIO}
"""The trunk that each kind of medium goes through."""


@dataclass(frozen=True)
class Trunk:
    """Shape of one modality's transformer."""

    width: int
    blocks: int
    heads: int


@dataclass(frozen=True)
class ImageBindConfig:
    """Shapes of the whole encoder, saved as `config.json`."""

    embedding: int = 128
    """Features of the shared space."""
    image_size: int = 80
    """Pixels, both ways, of the pictures that the vision tower sees."""
    stem: tuple[int, ...] = (32, 64)
    """Channels of the strided convolutions before the last one; each halves the picture. Their normalisation is over the batch:
    the statistics of a single picture are ruled by its background and hide colours."""
    frames: int = 1
    """Frames that the vision tower sees at once; with one it sees pictures only."""
    audio_stem: tuple[int, ...] = (32, 64)
    """The same as `stem`, for spectrograms."""
    audio_size: tuple[int, int] = (128, 64)
    """Frames and mel bins of a sound."""
    vocabulary: int = 0
    text_length: int = 40
    """Most text tokens."""
    trunks: dict[str, Trunk] = field(default_factory=lambda: {VISION: Trunk(128, 4, 4), TEXT: Trunk(128, 3, 4)})


class Attention(nn.MultiheadAttention):
    """Self-attention, batch first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads, batch_first=True)


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
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
    """Pictures, or spectrograms, to patch tokens with a class token in front."""

    def __init__(self, channels: int, stem: tuple[int, ...], size: tuple[int, int], width: int) -> None:
        """`size` is that of a picture in pixels, or of a spectrogram in frames and bins."""
        super().__init__()
        layers: list[nn.Module] = []
        for out in stem:
            layers += [
                nn.Conv2d(channels, out, 3, stride=2, padding=1),
                nn.BatchNorm2d(out),
                nn.GELU(),
            ]
            channels = out
        layers += [nn.Conv2d(channels, width, 2, stride=2), nn.BatchNorm2d(width)]
        self.rgbt_stem = nn.Module()
        self.rgbt_stem.proj = nn.Sequential(*layers)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embedding_helper = nn.Module()
        patch = 2 ** (len(stem) + 1)
        patches = (size[0] // patch) * (size[1] // patch)
        self.pos_embedding_helper.pos_embed = nn.Parameter(torch.randn(1, patches + 1, width) / 2)  # as large as the patches

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, 1 + H W / patch², D]."""
        patches = self.rgbt_stem.proj(pixels).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        return tokens + self.pos_embedding_helper.pos_embed


class TextPreprocessor(nn.Module):
    """Token ids to embeddings with positions."""

    def __init__(self, config: ImageBindConfig) -> None:
        super().__init__()
        width = config.trunks[TEXT].width
        self.token_embedding = nn.Embedding(config.vocabulary, width)
        self.pos_embed = nn.Parameter(torch.randn(1, config.text_length, width) * 0.02)
        nn.init.normal_(self.token_embedding.weight, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        """[B, L] -> [B, L, D]."""
        return self.token_embedding(ids) + self.pos_embed[:, : ids.shape[1]]


class ImageBind(nn.Module):
    """Media and words in one space."""

    def __init__(self, config: ImageBindConfig) -> None:
        super().__init__()
        self.config = config
        self.modality_preprocessors = nn.ModuleDict({name: _preprocessor(name, config) for name in config.trunks})
        self.modality_trunks = nn.ModuleDict(
            {name: _trunk(shape, norm_first=name == VISION) for name, shape in config.trunks.items()}
        )
        self.modality_heads = nn.ModuleDict(
            {
                name: nn.ModuleDict(
                    {
                        "norm": nn.LayerNorm(shape.width, eps=1e-6),
                        "proj": nn.Linear(shape.width, config.embedding, bias=False),
                    }
                )
                for name, shape in config.trunks.items()
            }
        )
        self.log_logit_scale = nn.Parameter(torch.tensor(2.0))
        """Logarithm of the contrastive temperature's inverse (of the text tower, in the published model)."""

    def encode_media(self, media: Tensor, kind: str) -> Tensor:
        """Media of one kind -> unit vectors [B, E], read off the class token.

        Pictures are [B, 3, S, S] and clips [B, F, 3, S, S], both in [-1, 1]; sounds are log-mel spectrograms [B, T, M].
        """
        return self._head(TRUNKS[kind], self._media_forward(media, kind)[:, 0])

    def media_tokens(self, media: Tensor, kind: str) -> Tensor:
        """Media as in `encode_media` -> normalised class and patch tokens [B, 1 + patches, D]: what tier 1 hands on."""
        normalised: Tensor = self.modality_heads[TRUNKS[kind]]["norm"](self._media_forward(media, kind))
        return normalised

    def _media_forward(self, media: Tensor, kind: str) -> Tensor:
        name = TRUNKS[kind]
        if kind == "image":
            media = media.repeat(1, self.config.frames, 1, 1)
        elif kind == "video":
            media = media.flatten(1, 2)
        else:
            media = media[:, None]
        return self._trunk_forward(name, self.modality_preprocessors[name](media))

    def encode_text(self, ids: Tensor, last: Tensor) -> Tensor:
        """Token ids [B, L] -> unit vectors [B, E], read off position `last` [B] (the end token); attention is causal."""
        length = ids.shape[1]
        mask = torch.full((length, length), float("-inf"), device=ids.device).triu(1)
        tokens = self._trunk_forward(TEXT, self.modality_preprocessors[TEXT](ids), mask)
        return self._head(TEXT, tokens[torch.arange(len(ids), device=ids.device), last])

    def _trunk_forward(self, name: str, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        trunk = self.modality_trunks[name]
        tokens = trunk["pre_transformer_layer"](tokens)
        for block in trunk["blocks"]:
            tokens = block(tokens, mask)
        return tokens

    def _head(self, name: str, features: Tensor) -> Tensor:
        head = self.modality_heads[name]
        return functional.normalize(head["proj"](head["norm"](features)), dim=-1)

    def save_pretrained(self, folder: Path, dtype: torch.dtype = torch.float16) -> None:
        """Writes `config.json` and `model.safetensors`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=2) + "\n", encoding="utf-8")
        weights = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in self.state_dict().items()}
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors")

    @classmethod
    def from_pretrained(cls, folder: Path) -> "ImageBind":
        """Reads what `save_pretrained` wrote; every key must be there. Returned in float32, in evaluation mode."""
        model = cls(read_config(folder))
        model.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()})
        return model.eval()


def read_config(folder: Path) -> ImageBindConfig:
    """The shapes of the encoder in a folder that `save_pretrained` wrote."""
    described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    described["trunks"] = {name: Trunk(**shape) for name, shape in described["trunks"].items()}
    for name in ("stem", "audio_stem", "audio_size"):
        if name in described:
            described[name] = tuple(described[name])
    return ImageBindConfig(**described)


def _preprocessor(name: str, config: ImageBindConfig) -> nn.Module:
    if name == TEXT:
        return TextPreprocessor(config)
    width = config.trunks[name].width
    if name == AUDIO:
        return PatchPreprocessor(1, config.audio_stem, config.audio_size, width)
    return PatchPreprocessor(3 * config.frames, config.stem, (config.image_size, config.image_size), width)


def _trunk(shape: Trunk, norm_first: bool) -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "pre_transformer_layer": nn.LayerNorm(shape.width, eps=1e-6) if norm_first else nn.Identity(),
            "blocks": nn.ModuleList(Block(shape.width, shape.heads) for _ in range(shape.blocks)),
        }
    )
