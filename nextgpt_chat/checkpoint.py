"""A checkpoint folder and its description, checked before anything is loaded.

A checkpoint is a folder with `nextgpt.json` and standard Hugging Face and Diffusers folders beside it. This module reads the
description and verifies that every named file is there. It never loads a tensor.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from nextgpt_chat.errors import NotFoundError, SetupError

FILE_NAME = "nextgpt.json"
BEING_WRITTEN = "places.json"
"""File that is there while what a training wrote takes its places, some of which are old ones then."""
KINDS = ("image", "video", "audio")
"""Of media."""


class Signal(BaseModel):
    """The signal tokens of one modality and the shape of the conditioning they become."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefix: str
    """Text of the tokens without their number: `IMG` stands for `[IMG0]`, `[IMG1]`, ..."""
    count: int
    """Tokens in one group."""
    queries: int
    """Length of the prompt embeddings that the output projection makes."""
    width: int
    """Features of one prompt embedding."""


class Decoding(BaseModel):
    """The defaults and bounds of one diffusion decoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int
    max_steps: int
    guidance: float
    max_guidance: float
    size: int = 0
    """Pixels of the height of a picture or a clip."""
    width: int = 0
    """Pixels of its width; 0 if it is square."""
    frames: int = 0
    """Frames of a clip."""
    min_frames: int = 0
    max_frames: int = 0
    """Fewest and most frames that can be asked for; 0 for both leaves no choice."""
    frame_rate: float = 0
    """Frames in a second."""
    first_frame: bool = False
    """Whether the image decoder draws the first frame of a clip, and the video decoder lets it move."""
    seconds: float = 0
    """Length of a sound."""
    min_seconds: float = 0
    max_seconds: float = 0
    """Shortest and longest sound that can be asked for; 0 for both leaves no choice."""
    strength: float = 1.0
    """How much noise covers the medium from which another one begins, as a share of all; 1 leaves nothing of it. For a clip with a first frame
    of its own, that is how much covers this frame."""
    memory: float = 1.0
    """GB of a GPU that it takes beside its weights in half precision while it makes its largest medium; `benchmarks/memory_at_true_size.py` tells it of
    known ones."""
    unit_prompt: bool = True
    """Whether a sound's prompt embedding is scaled to length 1, as those of text are on which its decoder was trained."""

    def extent(self, frames: int | None, seconds: float | None) -> dict[str, Any]:
        """What of a wish for `frames` or `seconds` this decoder follows, within its bounds: those two, as far as it has them."""
        chosen: dict[str, Any] = {}
        if frames and self.max_frames:
            chosen["frames"] = min(max(frames, self.min_frames), self.max_frames)
        if seconds and self.max_seconds:
            chosen["seconds"] = min(max(seconds, self.min_seconds), self.max_seconds)
        return chosen


class Checkpoint(BaseModel):
    """What `nextgpt.json` says, and where its folder is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    name: str
    title: str
    """Name for a person."""
    knows: str
    """One plain sentence on what this model knows, shown in the page."""
    examples: tuple[str, ...] = ()
    """Messages that a newcomer can try."""
    follow_ups: dict[str, tuple[str, ...]] = {}
    """Messages that fit after a medium, by its kind."""
    inputs: tuple[str, ...]
    """Kinds of parts that it understands: `text`, `image`, `audio`, `video`."""
    outputs: tuple[str, ...]
    """Kinds of parts that it makes."""
    input_tokens: dict[str, int] = {}
    """Language-model positions that one medium occupies, by kind."""
    context: int
    """Most language-model positions in one conversation."""
    reply_tokens: int = 160
    """Most tokens of a reply; one that is not at its end then ends there."""
    signals: dict[str, Signal] = {}
    """Signal tokens by kind of medium."""
    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """In which the frozen parts are computed on a GPU. On processors it is float32, where it is fastest; so are the projections anywhere."""
    prompt: Literal["turns", "vicuna", "llava", "chat"] = "turns"
    """How a conversation is written: with a token for each turn, in the words of Vicuna v0 or v1.5, or in the language model's own chat template."""
    instructions: str = ""
    """What a chat template's system message says before it tells how media are asked for; a sentence of this project's if empty."""
    captions: tuple[str, ...] = ()
    """Kinds of media for which no signal tokens were trained: the language model writes a caption, which drives the decoder. For the prompt `chat`."""
    input_projection: Literal["grouped", "linear", "groupvit", "own"] = "grouped"
    """What becomes language-model embeddings: groups of the encoder's tokens, its one embedding of a medium, or patches that are grouped as in the
    paper's later version; or what the towers of an omni language model make of it, which then takes ImageBind's place and has as many tokens as a
    medium needs."""
    projection: dict[str, int] = {}
    """Shape of the output projections: `hidden`, `layers`, `heads`."""
    decoding: dict[str, Decoding]
    """Decoder defaults by kind of medium."""
    folder: Path = Path()

    @model_validator(mode="after")
    def _fits_together(self) -> "Checkpoint":
        """Every kind has one way in and one way out."""
        seen, made = set(self.inputs) - {"text"}, set(self.outputs) - {"text"}
        if strange := (seen | made) - set(KINDS):
            raise ValueError(f"there is no kind of media called {', '.join(sorted(strange))}; there are {', '.join(KINDS)}")
        if self.input_projection == "own":
            if self.input_tokens or self.prompt != "chat":
                raise ValueError("a language model with towers of its own needs the prompt 'chat' and no input_tokens")
        elif missing := seen - set(self.input_tokens):
            raise ValueError(f"inputs has {', '.join(sorted(missing))}, but input_tokens has not")
        for kind in made:
            if (kind in self.signals) == (kind in self.captions):
                raise ValueError(f"outputs has {kind}, which must be either in signals or in captions")
            if kind not in self.decoding:
                raise ValueError(f"outputs has {kind}, but decoding has not")
        if strange := ({*self.signals, *self.captions, *self.decoding}) - made:
            raise ValueError(f"signals, captions or decoding has {', '.join(sorted(strange))}, but outputs has not")
        if self.captions and self.prompt != "chat":
            raise ValueError("captions need the prompt 'chat'")
        return self

    @property
    def lora(self) -> Path | None:
        """Folder of the adapter of the language model, if there is one."""
        folder = self.part("lora")
        return folder if folder.is_dir() else None

    @property
    def signal_tokens(self) -> dict[str, tuple[str, int]]:
        """Prefix and count of the signal tokens, by kind."""
        return {kind: (signal.prefix, signal.count) for kind, signal in self.signals.items()}

    @property
    def made(self) -> tuple[str, ...]:
        """Kinds of media that it makes."""
        return tuple(kind for kind in self.outputs if kind != "text")

    def part(self, name: str) -> Path:
        """Path of a file or folder of this checkpoint."""
        return self.folder / name

    def revision(self) -> str:
        """What tells these weights from others of the same name: 12 hexadecimal digits over the description and, of each file of weights, its
        name, its size and its first megabyte."""
        digest = hashlib.sha256((self.folder / FILE_NAME).read_bytes())
        for path in sorted(self.folder.rglob("*.safetensors")):
            if any(part.endswith(UNFINISHED) for part in path.relative_to(self.folder).parts):
                continue
            digest.update(f"{path.relative_to(self.folder).as_posix()} {path.stat().st_size}".encode())
            with path.open("rb") as file:
                digest.update(file.read(2**20))
        return digest.hexdigest()[:12]


UNFINISHED = ".new"
"""End of the names of files and folders that a training writes beside those whose places they take."""


def available(root: Path) -> list[str]:
    """Names of the checkpoints below `root`, sorted."""
    return sorted(path.parent.name for path in root.glob(f"*/{FILE_NAME}"))


def folder_of(root: Path, name: str) -> Path:
    """Where the checkpoint called `name` is, if it is anywhere: below `root`, or in the folder `name`."""
    return root / name if (root / name / FILE_NAME).is_file() else Path(name)


def find_checkpoint(root: Path, name: str) -> Checkpoint:
    """The checkpoint called `name` below `root`, or in the folder `name`.

    Raises `NotFoundError` for an unknown name and `SetupError` for a folder that is damaged or incomplete.
    """
    folder = folder_of(root, name)
    if not (folder / FILE_NAME).is_file():
        names = available(root)
        there = (
            f"Models here: {', '.join(names)}." if names else f"There is no model in {root}; train one with: nextgpt-chat train all"
        )
        raise NotFoundError(f"There is no model called '{name}'. {there}")
    return read_checkpoint(folder)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Reads and checks the description in `folder`."""
    if (folder / BEING_WRITTEN).is_file():
        raise SetupError(
            f"The model in {folder} is half an old and half a new one: a training ended while it wrote. Give its command again."
        )
    try:
        described = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        checkpoint = Checkpoint.model_validate({**described, "folder": folder})
    except ValidationError as error:
        wrong = "; ".join(": ".join([*map(str, one["loc"]), one["msg"].removeprefix("Value error, ")]) for one in error.errors())
        raise SetupError(f"The model description {folder / FILE_NAME} is not right: {wrong}.") from error
    except (OSError, ValueError) as error:
        raise SetupError(f"The model description {folder / FILE_NAME} cannot be read: {error}.") from error
    missing = [name for name in required_files(checkpoint) if not (folder / name).is_file()]
    weights = [Path(name).parent for name in missing if name.endswith(".safetensors")]
    if pickled := sorted({str(part) for part in weights if any((folder / part).glob("*.bin"))}):
        raise SetupError(
            f"Of the model in {folder}, {', '.join(pickled)} has its weights in .bin files alone, and only safetensors are loaded. Load it with "
            "Transformers or Diffusers, and write it again with save_pretrained."
        )
    if missing:
        raise SetupError(
            f"The model in {folder} is incomplete; missing: {', '.join(missing)}. Get the folder again, or train it with: nextgpt-chat train all"
        )
    return checkpoint


def required_files(checkpoint: Checkpoint) -> list[str]:
    """The files without which the checkpoint cannot run, relative to its folder. What an index of shards or of a pipeline names is read from it."""
    files = ["llm/config.json", *_weights(checkpoint, "llm", "model"), "llm/tokenizer.json"]
    if checkpoint.input_tokens:
        files += ["input_projection.safetensors", "imagebind/config.json", "imagebind/model.safetensors"]
    if checkpoint.input_projection == "own":
        files.append("llm/preprocessor_config.json")
    if checkpoint.signals:
        files.append("output_projections.safetensors")
    if checkpoint.lora:
        files += ["lora/adapter_config.json", "lora/adapter_model.safetensors"]
    for kind in checkpoint.made:
        folder = f"{kind}_decoder"
        files.append(f"{folder}/model_index.json")
        for part in _parts(checkpoint.folder / folder / "model_index.json"):
            if part in WITH_WEIGHTS:
                name = "model" if part.startswith(TRANSFORMERS) else "diffusion_pytorch_model"
                files += _weights(checkpoint, f"{folder}/{part}", name)
    return files


THE_PAPERS = {"image": "StableDiffusionPipeline", "video": "TextToVideoSDPipeline", "audio": "AudioLDMPipeline"}
"""Pipelines that the paper uses. What they make can also begin from an earlier medium."""
WITH_WEIGHTS = (
    "unet", "transformer", "transformer_2", "vae", "text_encoder", "text_encoder_2", "text_encoder_3", "text_encoder_4", "vocoder",
    "projection_model", "language_model",
)  # fmt: skip
"""Parts of pipelines that have weights. What checks pictures for their contents is not loaded."""
TRANSFORMERS = ("text_encoder", "vocoder", "language_model")
"""Beginnings of the names of those parts that Transformers saves; the others are saved by Diffusers."""


def pipeline_class(folder: Path) -> str:
    """The class of a pipeline of Diffusers, by its index. Raises `SetupError` for a folder without."""
    try:
        return str(json.loads((folder / "model_index.json").read_text(encoding="utf-8"))["_class_name"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SetupError(f"There is no pipeline of Diffusers in {folder}: model_index.json is missing or broken.") from error


def _parts(index: Path) -> list[str]:
    """Parts that a pipeline's index names; none if it cannot be read, for then it is missed itself or refused by Diffusers."""
    try:
        named = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [part for part, source in named.items() if isinstance(source, list) and source[0] is not None]


def _weights(checkpoint: Checkpoint, folder: str, name: str) -> list[str]:
    """The one file of weights, or an index and all shards that it names."""
    index = f"{folder}/{name}.safetensors.index.json"
    try:
        shards = json.loads((checkpoint.folder / index).read_text(encoding="utf-8"))["weight_map"].values()
    except (OSError, ValueError, LookupError, AttributeError):
        return [f"{folder}/{name}.safetensors"]
    return [index, *sorted({f"{folder}/{shard}" for shard in shards})]
