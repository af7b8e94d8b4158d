"""The paper's figure as one function: encode, reason, generate.

conversation ──> encode ──> reason ──> generate ──> events
                 ImageBind  LLM with   output projection
                 + input    signal     + diffusion decoder
                 projection tokens
"""

import contextlib
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.clock import Clock
from nextgpt_chat.conversation import Conversation, Media, Text
from nextgpt_chat.encode.encoder import load_encoder
from nextgpt_chat.encode.imagebind import ImageBind
from nextgpt_chat.errors import BusyError, Cancelled, InputError
from nextgpt_chat.events import Done, Event, MediaProgress, MediaReady, MediaStarted, Notice, Stats, TextDelta
from nextgpt_chat.generate.beginning import STARTS, begin_from, last_medium
from nextgpt_chat.generate.decoders import load_decoders
from nextgpt_chat.generate.decoding import Decoder, Denoising
from nextgpt_chat.generate.output_projection import OutputProjection
from nextgpt_chat.media.audio_file import read_audio
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.made import Made
from nextgpt_chat.media.provenance import Sign
from nextgpt_chat.placement import Placement
from nextgpt_chat.reason.caption_stream import Caption
from nextgpt_chat.reason.forms import form_of
from nextgpt_chat.reason.interleave import interleave
from nextgpt_chat.reason.language_model import LanguageModel, SignalGroup
from nextgpt_chat.reason.prompt import Prompt
from nextgpt_chat.reason.writer import Writer
from nextgpt_chat.residence import Residence
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.weights import load_into

log = logging.getLogger(__name__)

MOST_MEDIA = 8
"""In one reply; a language model that repeats itself would go on until its tokens are used up."""


class Pipeline:
    """A loaded checkpoint. `reply` is not reentrant: one reply at a time."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        content: ContentStore,
        placement: Placement,
        sign: Sign | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """`dtype` is that of the frozen parts."""
        self.checkpoint, self.content, self.sign = checkpoint, content, sign
        self.revision = checkpoint.revision()
        self.residence = Residence(placement)
        rounded = placement.way.partition("-")[2]
        self.language_model = LanguageModel(
            checkpoint.part("llm"), checkpoint.lora, placement.of("language model"), dtype, rounded, placement.divided
        )
        self.residence.add("language model", self.language_model.to)
        self.device = self.language_model.device
        self.encoder = load_encoder(checkpoint, self.language_model.model, placement.of("encoder"), dtype)
        if self.encoder and self.encoder.part == "encoder":
            self.residence.add("encoder", self.encoder.to)
        self.form = form_of(checkpoint, self.language_model, self._tokens, self.encoder.marks if self.encoder else None)
        hidden = self.language_model.hidden
        self.output_projections = nn.ModuleDict(
            {
                kind: OutputProjection(hidden, queries=signal.queries, width=signal.width, **checkpoint.projection)
                for kind, signal in checkpoint.signals.items()
            }
        )
        if checkpoint.signals:
            load_into(self.output_projections, checkpoint.part("output_projections.safetensors"), self.device)
        self.decoders: dict[str, Decoder] = {}
        for kind, decoder in load_decoders(checkpoint, placement.of, dtype):
            self.decoders[kind] = decoder
            self.residence.add(f"{kind} decoder", decoder.to, decoder.offload)

    @property
    def imagebind(self) -> ImageBind:
        """The encoder. Raises `InputError` for a model that has none."""
        imagebind: ImageBind | None = getattr(self.encoder, "imagebind", None)
        if imagebind is None:
            raise InputError(f"{self.checkpoint.title} has no ImageBind, in whose space this is measured.")
        return imagebind

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
        writer = Writer(self.language_model, self.form, self.checkpoint.captions, settings.temperature, seed, cancelled)
        return _Run(settings, seed, cancelled, Made(self.content, self.checkpoint.name, self.revision, self.sign), writer)

    def _to_its_end(self, run: "_Run", events: Iterator[Event]) -> Iterator[Event]:
        stopped = full = False
        try:
            yield from events
        except Cancelled:
            stopped = True
        except torch.OutOfMemoryError as error:
            log.warning("the GPU's memory was full while the language model or the encoder worked: %s", str(error))
            full = True
        if full:  # and the error is gone, and with its traceback the tensors of what failed
            more = self.residence.step_down()
            what = "From now on parts of the model wait outside of it: press Retry." if more else "Begin a new conversation."
            raise BusyError(f"The GPU's memory was full. {what}")
        yield Done(Stats(self.checkpoint.name, run.seed, run.prompt_tokens, run.writer.tokens, run.clock.seconds(), stopped))

    def _prompt(self, conversation: Conversation, settings: ReplySettings) -> Prompt:
        """1. The conversation as token ids with room for media; checks what cannot be served."""
        for turn in conversation.turns:
            for medium in turn.media:
                if turn.role == "user" and medium.kind not in self.checkpoint.inputs:
                    raise InputError(
                        f"{self.checkpoint.title} does not understand this kind of file: {medium.kind}. It understands {', '.join(self.checkpoint.inputs)}."
                    )
        room = self.checkpoint.context - min(self._most(settings), self.checkpoint.context // 2)
        prompt = self.form.conversation(conversation.turns, limit=room)
        if len(prompt.ids) > room:
            raise InputError("The message is longer than the model can read at once. Shorten it, or send fewer files.")
        return prompt

    @torch.inference_mode()
    def _encode(self, prompt: Prompt, run: "_Run") -> Tensor:
        """2. Media become embeddings between those of the words, [1, L, H]."""
        media = [slot.medium for slot in prompt.slots]
        if media and self.encoder:
            self.residence.bring(self.encoder.part)
        seen = [self.encoder(medium).to(self.device) for medium in media] if self.encoder else []
        self.residence.bring("language model")
        embedded = self.language_model.embed(prompt.ids)
        for slot, medium in zip(prompt.slots, seen, strict=True):  # one after the other, since each kind has its own length
            start = torch.tensor([slot.start], device=self.device)
            embedded = interleave(embedded, medium, torch.zeros_like(start), start)
        if self.encoder:
            run.writer.positions = self.encoder.positions(prompt.ids, media)
        run.prompt_tokens = len(prompt.ids)
        run.clock.lap("encode")
        return embedded

    def _tokens(self, medium: Media) -> int:
        """Language-model positions of a medium that was sent."""
        if self.encoder and self.encoder.part == "language model":  # whose towers tell
            self.residence.bring("language model")
        return self.encoder.tokens(medium) if self.encoder else 0

    def _answer(self, conversation: Conversation, run: "_Run") -> Iterator[Event]:
        """3. The language model writes; every medium is made where its signal stands."""
        self._check_kinds(run.settings.kinds)
        prompt = self._prompt(conversation, run.settings)
        if len(conversation.turns) > 1 and prompt.dropped:
            yield Notice("This conversation is longer than the model can read at once; its oldest messages are no longer seen.")
        told = " ".join(part.text for part in conversation.turns[-1].parts if isinstance(part, Text))
        said, media = "", 0
        pieces = run.writer.write(self._encode(prompt, run), self._most(run.settings), run.settings.kinds, told)
        with contextlib.closing(pieces):
            for piece in pieces:
                if isinstance(piece, str):
                    run.clock.mark("first_text")
                    said += piece
                    yield TextDelta(piece)
                    continue
                run.clock.lap("reason")
                if media == MOST_MEDIA:
                    yield Notice(f"A reply has at most {MOST_MEDIA} media. Ask for the others in another message.")
                    break
                caption = piece.text if isinstance(piece, Caption) else said.strip()
                yield from self._generate(piece, media, caption, conversation, (run.seed + media) % 2**31, run)
                self.residence.bring("language model")
                media += 1
        run.clock.lap("reason")

    def _again(self, conversation: Conversation, medium: int, run: "_Run") -> Iterator[Event]:
        """3. again, without a choice: a caption as it was, or the language model reads its own reply as far as the signal group of that medium."""
        asked, reply = Conversation(conversation.turns[:-1]), conversation.turns[-1]
        self._check_kinds(one.kind for one in reply.media)
        kind, caption = reply.media[medium].kind, reply.media[medium].caption or ""
        if sounds := [one for one in reply.media[:medium] if one.kind == "audio"]:
            run.made.hear(read_audio(sounds[-1].path))
        signal: Caption | SignalGroup = Caption(kind, caption)
        if kind in self.form.groups.ids:
            number = sum(one.kind in self.form.groups.ids for one in reply.media[:medium])
            signal = run.writer.again(
                self._encode(self._prompt(asked, run.settings), run), reply.parts, self.checkpoint.context, number
            )
            run.clock.lap("reason")
        yield from self._generate(signal, medium, caption, asked, run.seed, run)

    def _most(self, settings: ReplySettings) -> int:
        return settings.max_new_tokens or self.checkpoint.reply_tokens

    def _check_kinds(self, kinds: Iterable[str]) -> None:
        if strange := [kind for kind in kinds if kind not in {*self.form.groups.ids, *self.checkpoint.captions}]:
            raise InputError(f"{self.checkpoint.title} does not make this kind of medium: {strange[0]}.")

    def _generate(
        self, signal: Caption | SignalGroup, index: int, caption: str, asked: Conversation, seed: int, run: "_Run"
    ) -> Iterator[Event]:
        """4. Output projection and decoder: a signal becomes a medium in the content store, from noise or from a medium of `asked`.

        A caption needs no projection, since the decoder reads it itself.
        """
        kind, decoding = signal.kind, self.checkpoint.decoding[signal.kind]
        chosen = decoding.extent(run.settings.frames, run.settings.seconds)
        how = Denoising(
            steps=min(run.settings.steps or decoding.steps, decoding.max_steps),
            guidance=decoding.guidance if run.settings.guidance is None else min(run.settings.guidance, decoding.max_guidance),
            seed=seed,
            strength=decoding.strength,
            **({"frames": decoding.frames, "seconds": decoding.seconds} | chosen),
        )
        yield MediaStarted(index, kind, caption)
        decoder, start = self.decoders[kind], None
        prompt: Tensor | str = caption
        if isinstance(signal, SignalGroup):
            with torch.inference_mode():
                prompt = self.output_projections[kind](signal.states.float(), signal.embeddings.float())
            start = last_medium(asked, STARTS[kind]) if signal.start and decoder.begins else None
        begin = begin_from(start, kind, decoding.size, how) if start else None
        steps = decoder.steps(how, begin)
        medium = np.empty(0)
        for done in self.residence.work(f"{kind} decoder", lambda report: decoder.make(prompt, how, begin, report, run.cancelled)):
            if isinstance(done, int):
                yield MediaProgress(index, done, steps)
            elif isinstance(done, Notice):
                yield done
            else:
                medium = done
        used: dict[str, Any] = {"steps": how.steps, "guidance": how.guidance, **chosen}
        if start:
            used |= {"start": start.sha256, "strength": how.strength}
        run.clock.lap("generate")
        yield MediaReady(index, run.made.keep(kind, medium, caption, seed, used, decoding.frame_rate))


@dataclass
class _Run:
    """One use of a pipeline: how it is made, and what is counted meanwhile."""

    settings: ReplySettings
    seed: int
    cancelled: Callable[[], bool]
    made: Made
    writer: Writer
    clock: Clock = field(default_factory=Clock)
    prompt_tokens: int = 0
