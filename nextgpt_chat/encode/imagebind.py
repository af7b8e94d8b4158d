"""ImageBind: one embedding space for pictures, clips, sounds and words (Girdhar et al., arXiv 2305.05665).

One transformer trunk per modality, every trunk ending in a head that projects into the shared space. Pictures and clips share a trunk: it
sees two frames, and a picture is one frame twice. Sounds are seen as log-mel spectrograms.

One module serves two forms, which share trunks and heads. The `small` one is what this project trains. The `published` one is ImageBind-huge: its
weights have the names of the published file, one to one, and `published_imagebind` reads it. The dropping of paths is left out, which only its
training had.

This module maps tensors to embeddings. It does not read files and does not know the language model.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from nextgpt_chat.encode.towers import (
    Block,
    PatchPreprocessor,
    TextPreprocessor,
    convolutional_patches,
    published_clip_patches,
    published_sound_patches,
)
from nextgpt_chat.errors import SetupError

Form = Literal["small", "published"]
FORMS: tuple[Form, ...] = get_args(Form)
VISION = "vision"
TEXT = "text"
AUDIO = "audio"
TRUNKS = {"image": VISION, "video": VISION, "audio": AUDIO}
"""The trunk that each kind of medium goes through."""
DIMENSIONS = {"image": 3, "video": 4, "audio": 2}
"""Of one view of a medium, without the batch."""


@dataclass(frozen=True)
class Trunk:
    """Shape of one modality's transformer."""

    width: int
    blocks: int
    heads: int


@dataclass(frozen=True)
class ImageBindConfig:
    """Shapes of the whole encoder, saved as `config.json`."""

    form: Form = "small"
    """Decides the stems, the names of the weights, and how media are prepared: as in `preprocessing` or as in `published_preprocessing`."""
    embedding: int = 128
    """Features of the shared space."""
    image_size: int = 80
    """Pixels, both ways, of the pictures that the vision tower sees."""
    filled: bool = False
    """Whether a picture is filled up to a square before, instead of being cut to one: as the training scripts of NExT-GPT's later code ask for."""
    stem: tuple[int, ...] = (32, 64)
    """Channels of the strided convolutions before the last one; each halves the picture. Their normalisation is over the batch:
    the statistics of a single picture are ruled by its background and hide colours."""
    frames: int = 1
    """Frames that the vision tower sees at once; with one it sees pictures only."""
    audio_stem: tuple[int, ...] = (32, 64)
    """The same as `stem`, for spectrograms. The published form has neither."""
    audio_size: tuple[int, int] = (128, 64)
    """Frames and mel bins of a sound."""
    vocabulary: int = 0
    text_length: int = 40
    """Most text tokens."""
    trunks: dict[str, Trunk] = field(default_factory=lambda: {VISION: Trunk(128, 4, 4), TEXT: Trunk(128, 3, 4)})


class ImageBind(nn.Module):
    """Media and words in one space."""

    def __init__(self, config: ImageBindConfig) -> None:
        super().__init__()
        self.config = config
        self.modality_preprocessors = nn.ModuleDict({name: _preprocessor(name, config) for name in config.trunks})
        self.modality_trunks = nn.ModuleDict({name: _trunk(name, config) for name in config.trunks})
        self.modality_heads = nn.ModuleDict({name: _head(name, config) for name in config.trunks})
        if config.form == "small":
            self.log_logit_scale = nn.Parameter(torch.tensor(2.0))
            """Logarithm of the contrastive temperature's inverse."""
        else:  # of these two towers; what is encoded here is not scaled by them
            self.modality_postprocessors = nn.ModuleDict(
                {name: nn.ModuleDict({"1": _LogitScale()}) for name in (TEXT, AUDIO) if name in config.trunks}
            )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """In which the weights are."""
        return next(self.parameters()).dtype

    def encode_media(self, media: Tensor, kind: str) -> Tensor:
        """Media of one kind -> unit vectors [B, E], read off the class token: what the published NExT-GPT projects into its language model.

        Pictures are [B, 3, S, S] and clips [B, F, 3, S, S], both normalised; sounds are log-mel spectrograms [B, T, M]. With several views of each
        medium, [B, V, ...], the mean over their unit vectors, which is shorter than 1.
        """
        return self._each_view(media, kind, lambda tokens: self._project(TRUNKS[kind], tokens[:, 0]))

    def patch_embeddings(self, media: Tensor, kind: str) -> Tensor:
        """Media as in `encode_media` -> a unit vector for each patch [B, patches, E], or their mean over views: what the later version of NExT-GPT
        groups."""
        return self._each_view(media, kind, lambda tokens: self._project(TRUNKS[kind], tokens[:, 1:]))

    def media_tokens(self, media: Tensor, kind: str) -> Tensor:
        """Media as in `encode_media` -> normalised class and patch tokens [B, 1 + patches, D], or their mean over views: what tier 1 hands on."""
        return self._each_view(media, kind, self._head_layers(TRUNKS[kind])[0])

    def _each_view(self, media: Tensor, kind: str, read: Callable[[Tensor], Tensor]) -> Tensor:
        """What `read` makes of the tokens of each view, [B * V, N, D], as the mean over views."""
        views = media.shape[1 : -DIMENSIONS[kind]]
        found = read(self._media_forward(media.flatten(0, 1) if views else media, kind))
        return found.unflatten(0, (-1, *views)).mean(dim=1) if views else found

    def _media_forward(self, media: Tensor, kind: str) -> Tensor:
        name, published = TRUNKS[kind], self.config.form == "published"
        if kind == "audio":
            media = media[:, None].mT if published else media[:, None]
        else:
            clips = media[:, None].expand(-1, self.config.frames, -1, -1, -1) if kind == "image" else media
            media = clips.transpose(1, 2) if published else clips.flatten(1, 2)
        return self._trunk_forward(name, self.modality_preprocessors[name](media))

    def encode_text(self, ids: Tensor, last: Tensor) -> Tensor:
        """Token ids [B, L] -> unit vectors [B, E], read off position `last` [B] (the end token); attention is causal."""
        length = ids.shape[1]
        mask = torch.full((length, length), float("-inf"), device=ids.device).triu(1)
        tokens = self._trunk_forward(TEXT, self.modality_preprocessors[TEXT](ids), mask)
        return self._project(TEXT, tokens[torch.arange(len(ids), device=ids.device), last])

    def _trunk_forward(self, name: str, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        trunk = self.modality_trunks[name]
        tokens = trunk["pre_transformer_layer"](tokens)
        for block in trunk["blocks"]:
            tokens = block(tokens, mask)
        return tokens

    def _project(self, name: str, features: Tensor) -> Tensor:
        norm, projection = self._head_layers(name)
        return functional.normalize(projection(norm(features)), dim=-1)

    def _head_layers(self, name: str) -> tuple[nn.Module, nn.Module]:
        """Normalisation and projection, under whatever names."""
        norm, projection = (layer for layer in self.modality_heads[name].modules() if isinstance(layer, nn.LayerNorm | nn.Linear))
        return norm, projection

    def save_pretrained(self, folder: Path, dtype: torch.dtype = torch.float16) -> None:
        """Writes `config.json` and `model.safetensors`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=2) + "\n", encoding="utf-8")
        weights = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in self.state_dict().items()}
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors")

    @classmethod
    def from_pretrained(cls, folder: Path) -> "ImageBind":
        """Reads what `save_pretrained` wrote; every key must be there. Returned in float32, in evaluation mode."""
        config, weights = read_config(folder), load_file(folder / "model.safetensors")
        large = config.form == "published"
        # A large encoder has no room for weights that are replaced at once. A small one is drawn, so that what a seed draws after it stays.
        with torch.device("meta" if large else "cpu"):
            model = cls(config)
        model.load_state_dict({name: tensor.float() for name, tensor in weights.items()}, assign=large)
        return model.eval()


def read_config(folder: Path) -> ImageBindConfig:
    """The shapes of the encoder in a folder that `save_pretrained` wrote. Raises `SetupError` for a form that is not known."""
    described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if described.get("form", "small") not in FORMS:
        raise SetupError(f"{folder / 'config.json'} names the form '{described['form']}'. Known are {' and '.join(FORMS)}.")
    described["trunks"] = {name: Trunk(**shape) for name, shape in described["trunks"].items()}
    for name in ("stem", "audio_stem", "audio_size"):
        if name in described:
            described[name] = tuple(described[name])
    return ImageBindConfig(**described)


def _preprocessor(name: str, config: ImageBindConfig) -> PatchPreprocessor | TextPreprocessor:
    width, side = config.trunks[name].width, config.image_size
    if name == TEXT:
        return TextPreprocessor(config.vocabulary, config.text_length, width)
    if config.form == "published":
        if name == AUDIO:
            return published_sound_patches(config.audio_size, width)
        return published_clip_patches(config.frames, side, width)
    if name == AUDIO:
        return convolutional_patches(1, config.audio_stem, config.audio_size, width)
    return convolutional_patches(3 * config.frames, config.stem, (side, side), width)


def _trunk(name: str, config: ImageBindConfig) -> nn.ModuleDict:
    shape, published = config.trunks[name], config.form == "published"
    first: nn.Module = nn.LayerNorm(shape.width, eps=1e-6) if name == VISION else nn.Identity()
    blocks = (Block(shape.width, shape.heads, bias_kv=published and name == AUDIO) for _ in range(shape.blocks))
    return nn.ModuleDict({"pre_transformer_layer": nn.Sequential(first) if published else first, "blocks": nn.ModuleList(blocks)})


def _head(name: str, config: ImageBindConfig) -> nn.ModuleDict:
    width = config.trunks[name].width
    norm, projection = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, config.embedding, bias=False)
    if config.form == "small":
        return nn.ModuleDict({"norm": norm, "proj": projection})
    if name == TEXT:
        return nn.ModuleDict({"proj": nn.ModuleDict({"0": norm, "1": projection})})
    return nn.ModuleDict({"0": norm, "2": projection})


class _LogitScale(nn.Module):
    """Holds what the published training multiplied unit vectors by, as a logarithm."""

    def __init__(self) -> None:
        super().__init__()
        self.log_logit_scale = nn.Parameter(torch.tensor(2.0))
