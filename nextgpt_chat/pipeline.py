"""The paper's figure as one function: encode, reason, generate.

conversation ──> encode ──> reason ──> generate ──> events
                 ImageBind  LLM with   output projection
                 + input    signal     + diffusion decoder
                 projection tokens
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from nextgpt_chat.checkpoint import Checkpoint, Decoding, read_checkpoint
from nextgpt_chat.conversation import Conversation, Media
from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.encode.input_projection import InputProjection
from nextgpt_chat.encode.preprocessing import audio_tensor, image_tensor, square, video_tensor
from nextgpt_chat.errors import Cancelled, InputError, SetupError
from nextgpt_chat.events import Done, Event, MediaProgress, MediaReady, MediaStarted, Notice, Stats, TextDelta
from nextgpt_chat.generate.decoders import load_decoders
from nextgpt_chat.generate.decoding import Denoising
from nextgpt_chat.generate.output_projection import OutputProjection
from nextgpt_chat.generate.thread import in_thread
from nextgpt_chat.media.audio_file import RATE, read_audio
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.image_file import read_image
from nextgpt_chat.media.made import Made
from nextgpt_chat.media.video_file import read_video
from nextgpt_chat.reason.interleave import interleave
from nextgpt_chat.reason.language_model import LanguageModel, SignalGroup, Word
from nextgpt_chat.reason.prompt import Prompt, PromptFormat
from nextgpt_chat.reason.text_stream import TextStream
from nextgpt_chat.settings import ReplySettings

CACHED_MEDIA = 256
"""Media whose projected tokens are kept, so that a conversation does not encode its pictures again each turn."""


class Pipeline:
    """A loaded checkpoint. `reply` is not reentrant: one reply at a time."""

    def __init__(self, checkpoint: Checkpoint, content: ContentStore, device: torch.device) -> None:
        self.checkpoint = checkpoint
        self.content = content
        self.device = device
        self.imagebind = ImageBind.from_pretrained(checkpoint.part("imagebind")).to(device)
        self.language_model = LanguageModel(checkpoint.part("llm"), checkpoint.part("lora"), device)
        signals = {kind: (signal.prefix, signal.count) for kind, signal in checkpoint.signals.items()}
        self.form = PromptFormat(self.language_model.tokenizer, signals, checkpoint.input_tokens)
        width = self.imagebind.config.trunks["vision"].width
        self.input_projection = InputProjection(width, self.language_model.hidden, checkpoint.input_tokens)
        self.output_projections = nn.ModuleDict(
            {
                kind: OutputProjection(
                    self.language_model.hidden, queries=signal.queries, width=signal.width, **checkpoint.projection
                )
                for kind, signal in checkpoint.signals.items()
            }
        )
        _load(self.input_projection, checkpoint.part("input_projection.safetensors"), device)
        _load(self.output_projections, checkpoint.part("output_projections.safetensors"), device)
        self.decoders = load_decoders(checkpoint, device)
        self._projected: dict[str, Tensor] = {}

    def reply(self, conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        """Answers the last turn of `conversation`; see `nextgpt_chat.events` for what is yielded, and in which order.

        Raises `UserError` for a conversation that cannot be answered and lets every other error through; `Cancelled` never leaves this function:
        what was made until then stands, and the last event is `Done` with `stopped`.
        """
        seed = secrets.randbelow(2**31) if settings.seed is None else settings.seed
        clock = _Clock()
        counts = {"prompt_tokens": 0, "new_tokens": 0}
        stopped = False
        try:
            prompt = self._prompt(conversation, settings)
            if len(conversation.turns) > 1 and prompt.dropped:
                yield Notice("This conversation is longer than the model can read at once; its oldest messages are no longer seen.")
            counts["prompt_tokens"] = len(prompt.ids)
            embedded = self._encode(prompt)
            clock.lap("encode")
            yield from self._reason(conversation, embedded, settings, seed, cancelled, clock, counts)
        except Cancelled:
            stopped = True
        yield Done(Stats(self.checkpoint.name, seed, **counts, seconds=clock.seconds(), stopped=stopped))

    def _prompt(self, conversation: Conversation, settings: ReplySettings) -> Prompt:
        """1. The conversation as token ids with room for media; checks what cannot be served."""
        for turn in conversation.turns:
            for medium in turn.media:
                if turn.role == "user" and medium.kind not in self.checkpoint.inputs:
                    raise InputError(
                        f"{self.checkpoint.title} does not understand this kind of file: {medium.kind}. It understands {', '.join(self.checkpoint.inputs)}."
                    )
        room = self.checkpoint.context - min(settings.max_new_tokens, self.checkpoint.context // 2)
        prompt = self.form.conversation(conversation.turns, limit=room)
        if len(prompt.ids) > room:
            raise InputError("The message is longer than the model can read at once. Shorten it, or send fewer files.")
        return prompt

    @torch.inference_mode()
    def _encode(self, prompt: Prompt) -> Tensor:
        """2. ImageBind and the input projection: media become embeddings between those of the words, [1, L, H]."""
        words = self.language_model.embed(prompt.ids)
        if not prompt.slots:
            return words
        media = torch.cat([self._project(slot.medium) for slot in prompt.slots])
        starts = torch.tensor([slot.start for slot in prompt.slots], device=self.device)
        return interleave(words, media, torch.zeros_like(starts), starts)

    def _project(self, medium: Media) -> Tensor:
        if medium.sha256 not in self._projected:
            tokens = self.imagebind.media_tokens(self._input(medium)[None].to(self.device), medium.kind)
            if len(self._projected) >= CACHED_MEDIA:
                self._projected.pop(next(iter(self._projected)))
            self._projected[medium.sha256] = self.input_projection(tokens, medium.kind)
        return self._projected[medium.sha256]

    def _input(self, medium: Media) -> Tensor:
        """A stored medium as ImageBind takes it: of a clip, its first and its last frame."""
        shape = self.imagebind.config
        if medium.kind == "image":
            return image_tensor(read_image(medium.path), shape.image_size)
        if medium.kind == "video":
            return video_tensor(read_video(medium.path, shape.frames), shape.image_size)
        return audio_tensor(read_audio(medium.path), shape.audio_size[0])

    def _reason(
        self,
        conversation: Conversation,
        embedded: Tensor,
        settings: ReplySettings,
        seed: int,
        cancelled: Callable[[], bool],
        clock: "_Clock",
        counts: dict[str, int],
    ) -> Iterator[Event]:
        """3. The language model writes; every medium is made where its signal group stands."""
        text = TextStream(self.language_model.tokenizer)
        media = 0
        made = Made(self.content, self.checkpoint.name)
        with contextlib.closing(
            self.language_model.write(
                embedded,
                self.form.groups,
                self.form.end,
                most=settings.max_new_tokens,
                temperature=settings.temperature,
                generator=torch.Generator("cpu").manual_seed(seed),
                cancelled=cancelled,
                banned=self.form.not_for_replies,
            )
        ) as written:
            for piece in written:
                counts["new_tokens"] += 1
                if isinstance(piece, Word):
                    if new := text.add(piece.token):
                        clock.mark("first_text")
                        yield TextDelta(new)
                    continue
                clock.lap("reason")
                start = last_medium(conversation, STARTS[piece.kind]) if piece.start else None
                yield from self._generate(piece, media, text.text.strip(), start, settings, (seed + media) % 2**31, made, cancelled)
                clock.lap("generate")
                media += 1
        if rest := text.finish():
            yield TextDelta(rest)
        clock.lap("reason")

    def _generate(
        self,
        group: SignalGroup,
        index: int,
        caption: str,
        start: Media | None,
        settings: ReplySettings,
        seed: int,
        made: Made,
        cancelled: Callable[[], bool],
    ) -> Iterator[Event]:
        """4. Output projection and decoder: a signal group becomes a medium in the content store, from noise or from an earlier medium."""
        kind = group.kind
        decoding = self.checkpoint.decoding[kind]
        how = Denoising(
            steps=min(settings.steps or decoding.steps, decoding.max_steps),
            guidance=decoding.guidance if settings.guidance is None else min(settings.guidance, decoding.max_guidance),
            seed=seed,
            strength=decoding.strength,
        )
        yield MediaStarted(index, kind, caption)
        with torch.inference_mode():
            prompt = self.output_projections[kind](group.states, group.embeddings)
        begin = begin_from(start, kind, decoding) if start else None
        decoder = self.decoders[kind]
        steps = decoder.steps(how, begin)
        medium = np.empty(0)
        for done in in_thread(lambda report: decoder.make(prompt, how, begin, report, cancelled)):
            if isinstance(done, int):
                yield MediaProgress(index, done, steps)
            else:
                medium = done
        used: dict[str, Any] = {"steps": how.steps, "guidance": how.guidance}
        if start:
            used |= {"start": start.sha256, "strength": how.strength}
        yield MediaReady(index, made.keep(kind, medium, caption, seed, used, decoding.frame_rate))


STARTS = {"image": ("image", "video"), "video": ("video", "image"), "audio": ("audio",)}
"""Kinds of media that a medium of each kind can begin from."""


def last_medium(conversation: Conversation, kinds: Collection[str]) -> Media | None:
    """The newest medium of these kinds in a conversation, whoever it came from."""
    media = [medium for turn in conversation.turns for medium in turn.media if medium.kind in kinds]
    return media[-1] if media else None


def begin_from(start: Media, kind: str, decoding: Decoding) -> np.ndarray:
    """An earlier medium in the shape of what is made from it; a picture is one frame to begin a clip from."""
    if kind == "audio":
        length = round(decoding.seconds * RATE)
        samples = read_audio(start.path)[:length]
        return np.pad(samples, (0, length - len(samples)))
    frames = [read_image(start.path)] if start.kind == "image" else list(read_video(start.path, decoding.frames or 1))
    frames = [square(frame, decoding.size) for frame in frames]
    return frames[0] if kind == "image" else np.stack(frames)


class _Clock:
    """Seconds per tier."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """Adds the time since the last lap to `name`."""
        now = time.perf_counter()
        self._laps[name] = self._laps.get(name, 0.0) + now - self._last
        self._last = now

    def mark(self, name: str) -> None:
        """Notes the time since the start, once."""
        self._laps.setdefault(name, time.perf_counter() - self._start)

    def seconds(self) -> dict[str, float]:
        """Everything measured, in seconds, with the total."""
        return {name: round(value, 4) for name, value in {**self._laps, "total": time.perf_counter() - self._start}.items()}


def _load(module: nn.Module, path: Path, device: torch.device) -> None:
    module.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    module.eval().to(device)


def load_pipeline(folder: Path, content: ContentStore, device: str = "auto") -> Pipeline:
    """Loads the checkpoint in `folder`. `device` is `auto`, `cpu`, `cuda` or `cuda:N`. Raises `SetupError` if that cannot be."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SetupError(f"The device '{device}' was asked for, but PyTorch finds no GPU here. Use NEXTGPT_DEVICE=cpu.")
    return Pipeline(read_checkpoint(folder), content, torch.device(device))
