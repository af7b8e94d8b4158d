"""The paper's figure as one function: encode, reason, generate.

conversation ──> encode ──> reason ──> generate ──> events
                 ImageBind  LLM with   output projection
                 + input    signal     + diffusion decoder
                 projection tokens
"""

import contextlib
import itertools
import secrets
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from nextgpt_chat.checkpoint import Checkpoint, read_checkpoint
from nextgpt_chat.conversation import Conversation, Media
from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.encode.input_projection import InputProjection, LinearProjection
from nextgpt_chat.encode.preprocessing import media_tensor
from nextgpt_chat.errors import Cancelled, InputError, SetupError
from nextgpt_chat.events import Done, Event, MediaProgress, MediaReady, MediaStarted, Notice, Stats, TextDelta
from nextgpt_chat.generate.beginning import STARTS, begin_from, last_medium
from nextgpt_chat.generate.decoders import load_decoders
from nextgpt_chat.generate.decoding import Denoising
from nextgpt_chat.generate.output_projection import OutputProjection
from nextgpt_chat.generate.thread import in_thread
from nextgpt_chat.media.audio_file import read_audio
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.made import Made
from nextgpt_chat.media.provenance import Sign
from nextgpt_chat.reason.interleave import interleave
from nextgpt_chat.reason.language_model import LanguageModel, SignalGroup, Word
from nextgpt_chat.reason.prompt import Prompt, PromptFormat
from nextgpt_chat.reason.text_stream import TextStream
from nextgpt_chat.reason.vicuna_prompt import VicunaPrompt
from nextgpt_chat.settings import ReplySettings

CACHED_MEDIA = 256
"""Media whose projected tokens are kept, so that a conversation does not encode its pictures again each turn."""


class Pipeline:
    """A loaded checkpoint. `reply` is not reentrant: one reply at a time."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        content: ContentStore,
        device: torch.device,
        sign: Sign | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """`dtype` is that of the frozen parts."""
        self.checkpoint = checkpoint
        self.revision, self.sign = checkpoint.revision(), sign
        self.content = content
        self.device = device
        self.imagebind = ImageBind.from_pretrained(checkpoint.part("imagebind")).to(device, dtype)
        self.language_model = LanguageModel(checkpoint.part("llm"), checkpoint.part("lora"), device, dtype)
        signals = {kind: (signal.prefix, signal.count) for kind, signal in checkpoint.signals.items()}
        tokenizer, hidden = self.language_model.tokenizer, self.language_model.hidden
        self.form: PromptFormat | VicunaPrompt
        if checkpoint.prompt == "vicuna":
            self.form = VicunaPrompt(tokenizer, signals)
        else:
            self.form = PromptFormat(tokenizer, signals, checkpoint.input_tokens)
        self.input_projection: InputProjection | LinearProjection
        if checkpoint.input_projection == "linear":
            self.input_projection, self._see = (
                LinearProjection(self.imagebind.config.embedding, hidden),
                self.imagebind.encode_media,
            )
        else:
            width = self.imagebind.config.trunks["vision"].width
            self.input_projection, self._see = InputProjection(width, hidden, checkpoint.input_tokens), self.imagebind.media_tokens
        self.output_projections = nn.ModuleDict(
            {
                kind: OutputProjection(hidden, queries=signal.queries, width=signal.width, **checkpoint.projection)
                for kind, signal in checkpoint.signals.items()
            }
        )
        _load(self.input_projection, checkpoint.part("input_projection.safetensors"), device)
        _load(self.output_projections, checkpoint.part("output_projections.safetensors"), device)
        self.decoders = load_decoders(checkpoint, device, dtype)
        self._projected: dict[str, Tensor] = {}

    def reply(self, conversation: Conversation, settings: ReplySettings, cancelled: Callable[[], bool]) -> Iterator[Event]:
        """Answers the last turn of `conversation`; see `nextgpt_chat.events` for what is yielded, and in which order.

        Raises `UserError` for a conversation that cannot be answered and lets every other error through; `Cancelled` never leaves this function:
        what was made until then stands, and the last event is `Done` with `stopped`.
        """
        run = self._run(settings, cancelled)
        yield from self._to_its_end(run, self._answer(conversation, run))

    def remake(
        self, conversation: Conversation, medium: int, settings: ReplySettings, cancelled: Callable[[], bool]
    ) -> Iterator[Event]:
        """Makes number `medium` of the media of the last turn, which is a reply, again: with the seed of `settings`, and with its own steps,
        guidance and length where `settings` name none. With its own seed it comes out as it was.

        Raises and ends as `reply` does; also raises `UserError` for a kind of medium that this model does not make.
        """
        own = conversation.turns[-1].media[medium].settings
        asked = asdict(settings)
        kept = {name: own.get(name) for name in ("steps", "guidance", "frames", "seconds") if asked[name] is None}
        run = self._run(replace(settings, **kept, kinds=()), cancelled)
        yield from self._to_its_end(run, self._again(conversation, medium, run))

    def _run(self, settings: ReplySettings, cancelled: Callable[[], bool]) -> "_Run":
        seed = secrets.randbelow(2**31) if settings.seed is None else settings.seed
        return _Run(settings, seed, cancelled, Made(self.content, self.checkpoint.name, self.revision, self.sign))

    def _to_its_end(self, run: "_Run", events: Iterator[Event]) -> Iterator[Event]:
        stopped = False
        try:
            yield from events
        except Cancelled:
            stopped = True
        yield Done(Stats(self.checkpoint.name, run.seed, run.prompt_tokens, run.new_tokens, run.clock.seconds(), stopped))

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
    def _encode(self, prompt: Prompt, run: "_Run") -> Tensor:
        """2. ImageBind and the input projection: media become embeddings between those of the words, [1, L, H]."""
        embedded = self.language_model.embed(prompt.ids)
        for slot in prompt.slots:  # one after the other, since each kind has its own length
            start = torch.tensor([slot.start], device=self.device)
            embedded = interleave(embedded, self._project(slot.medium), torch.zeros_like(start), start)
        run.prompt_tokens = len(prompt.ids)
        run.clock.lap("encode")
        return embedded

    def _project(self, medium: Media) -> Tensor:
        if medium.sha256 not in self._projected:
            tensor = media_tensor(medium, self.imagebind.config)[None]
            seen = self._see(tensor.to(self.device, self.imagebind.dtype), medium.kind).float()
            if len(self._projected) >= CACHED_MEDIA:
                self._projected.pop(next(iter(self._projected)))
            self._projected[medium.sha256] = self.input_projection(seen, medium.kind)
        return self._projected[medium.sha256]

    def _answer(self, conversation: Conversation, run: "_Run") -> Iterator[Event]:
        """3. The language model writes; every medium is made where its signal group stands."""
        if strange := [kind for kind in run.settings.kinds if kind not in self.form.groups.ids]:
            raise InputError(f"{self.checkpoint.title} does not make this kind of medium: {strange[0]}.")
        prompt = self._prompt(conversation, run.settings)
        if len(conversation.turns) > 1 and prompt.dropped:
            yield Notice("This conversation is longer than the model can read at once; its oldest messages are no longer seen.")
        text, media = TextStream(self.language_model.tokenizer), 0
        with contextlib.closing(self._write(self._encode(prompt, run), run, run.settings.max_new_tokens)) as written:
            for piece in written:
                run.new_tokens += 1
                if isinstance(piece, Word):
                    if new := text.add(piece.token):
                        run.clock.mark("first_text")
                        yield TextDelta(new)
                    continue
                run.clock.lap("reason")
                yield from self._generate(piece, media, text.text.strip(), conversation, (run.seed + media) % 2**31, run)
                media += 1
        if rest := text.finish():
            yield TextDelta(rest)
        run.clock.lap("reason")

    def _again(self, conversation: Conversation, medium: int, run: "_Run") -> Iterator[Event]:
        """3. again, without a choice: the language model reads its own reply as far as the signal group of that medium."""
        asked, reply = Conversation(conversation.turns[:-1]), conversation.turns[-1]
        if strange := [one.kind for one in reply.media if one.kind not in self.form.groups.ids]:
            raise InputError(f"{self.checkpoint.title} does not make this kind of medium: {strange[0]}.")
        if sounds := [one for one in reply.media[:medium] if one.kind == "audio"]:
            run.made.hear(read_audio(sounds[-1].path))
        embedded = self._encode(self._prompt(asked, run.settings), run)
        said = self.form.choices(reply.parts)
        with contextlib.closing(self._write(embedded, run, self.checkpoint.context, said)) as written:
            groups = (piece for piece in written if isinstance(piece, SignalGroup))
            group = next(itertools.islice(groups, medium, None))
        run.clock.lap("reason")
        yield from self._generate(group, medium, reply.media[medium].caption or "", asked, run.seed, run)

    def _write(self, embedded: Tensor, run: "_Run", most: int, said: Iterable[int] = ()) -> Generator[Word | SignalGroup]:
        return self.language_model.write(
            embedded,
            self.form.groups,
            self.form.stops,
            most=most,
            temperature=run.settings.temperature,
            generator=torch.Generator("cpu").manual_seed(run.seed),
            cancelled=run.cancelled,
            banned=self.form.not_for_replies,
            said=said,
            kinds=run.settings.kinds,
        )

    def _generate(
        self, group: SignalGroup, index: int, caption: str, asked: Conversation, seed: int, run: "_Run"
    ) -> Iterator[Event]:
        """4. Output projection and decoder: a signal group becomes a medium in the content store, from noise or from a medium of `asked`."""
        kind, decoding = group.kind, self.checkpoint.decoding[group.kind]
        chosen = decoding.extent(run.settings.frames, run.settings.seconds)
        how = Denoising(
            steps=min(run.settings.steps or decoding.steps, decoding.max_steps),
            guidance=decoding.guidance if run.settings.guidance is None else min(run.settings.guidance, decoding.max_guidance),
            seed=seed,
            strength=decoding.strength,
            **({"frames": decoding.frames, "seconds": decoding.seconds} | chosen),
        )
        yield MediaStarted(index, kind, caption)
        with torch.inference_mode():
            prompt = self.output_projections[kind](group.states.float(), group.embeddings.float())
        start = last_medium(asked, STARTS[kind]) if group.start else None
        begin = begin_from(start, kind, decoding.size, how) if start else None
        decoder = self.decoders[kind]
        steps = decoder.steps(how, begin)
        medium = np.empty(0)
        for done in in_thread(lambda report: decoder.make(prompt, how, begin, report, run.cancelled)):
            if isinstance(done, int):
                yield MediaProgress(index, done, steps)
            else:
                medium = done
        used: dict[str, Any] = {"steps": how.steps, "guidance": how.guidance, **chosen}
        if start:
            used |= {"start": start.sha256, "strength": how.strength}
        run.clock.lap("generate")
        yield MediaReady(index, run.made.keep(kind, medium, caption, seed, used, decoding.frame_rate))


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


@dataclass
class _Run:
    """One use of a pipeline: how it is made, and what is counted meanwhile."""

    settings: ReplySettings
    seed: int
    cancelled: Callable[[], bool]
    made: Made
    clock: _Clock = field(default_factory=_Clock)
    prompt_tokens: int = 0
    new_tokens: int = 0


def _load(module: nn.Module, path: Path, device: torch.device) -> None:
    module.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    module.eval().to(device)


def load_pipeline(folder: Path, content: ContentStore, device: str = "auto", sign: Sign | None = None) -> Pipeline:
    """Loads the checkpoint in `folder`. `device` is `auto`, `cpu`, `cuda` or `cuda:N`; `sign` puts content credentials into what is made.

    Raises `SetupError` if that cannot be.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SetupError(f"The device '{device}' was asked for, but PyTorch finds no GPU here. Use NEXTGPT_DEVICE=cpu.")
    checkpoint = read_checkpoint(folder)
    dtype: torch.dtype = getattr(torch, checkpoint.precision) if device.startswith("cuda") else torch.float32
    return Pipeline(checkpoint, content, torch.device(device), sign, dtype)
