"""One reply of the language model, from tokens to what is said and asked for: text, captions and signal groups."""

import contextlib
import itertools
from collections.abc import Callable, Collection, Generator, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from nextgpt_chat.conversation import Part
from nextgpt_chat.reason.caption_stream import Caption, CaptionStream, opening
from nextgpt_chat.reason.forms import Form
from nextgpt_chat.reason.language_model import LanguageModel, SignalGroup, Word
from nextgpt_chat.reason.text_stream import TextStream

Piece = str | Caption | SignalGroup
"""What is said, or a medium that is asked for: in words, or by signal tokens."""


@dataclass
class Writer:
    """How one reply is written."""

    language_model: LanguageModel
    form: Form
    captions: tuple[str, ...]
    """Kinds of media that are asked for in words."""
    temperature: float
    seed: int
    cancelled: Callable[[], bool]
    positions: Tensor | None = None
    """Of the prompt, where they are not simply counted; see `LanguageModel.write`."""
    tokens: int = 0
    """Written so far; a signal group counts as one."""

    def write(self, prompt: Tensor, most: int, wanted: Collection[str], told: str) -> Generator[Piece]:
        """The reply to `prompt` [1, L, H], of at most `most` tokens.

        If kinds of media are `wanted`, no others are asked for, and each that the language model did not think of is asked for at the end; where
        it has no words for one even then, those that the person `told` are taken. Raises `Cancelled`.
        """
        missing = {kind for kind in self.captions if kind in wanted}
        text, reader = TextStream(self.language_model.tokenizer), CaptionStream(self.captions)

        def read(pieces: Iterable[Piece]) -> Generator[Piece]:
            for piece in pieces:
                if not isinstance(piece, Caption) or not wanted or piece.kind in wanted:
                    missing.difference_update({piece.kind} if isinstance(piece, Caption) else ())
                    yield piece

        with contextlib.closing(self._tokens(prompt, most, wanted)) as written:
            for piece in written:
                yield from read(reader.add(text.add(piece.token)) if isinstance(piece, Word) else [*reader.finish(), piece])
        yield from read([*reader.add(text.finish()), *reader.finish()])
        for kind in [kind for kind in self.captions if kind in missing]:
            yield self._caption(kind, prompt, text.ids, most) or Caption(kind, told)

    def again(self, prompt: Tensor, parts: Iterable[Part], most: int, number: int) -> SignalGroup:
        """Signal group `number` of a reply that was written before and is read as it was."""
        with contextlib.closing(self._tokens(prompt, most, (), self.form.choices(parts))) as written:
            return next(itertools.islice((piece for piece in written if isinstance(piece, SignalGroup)), number, None))

    def _caption(self, kind: str, prompt: Tensor, said: list[int], most: int) -> Caption | None:
        """What the language model writes behind what it `said`, where a caption is begun for it."""
        begun = self.language_model.embed([*said, *self.form.text(f"\n{opening(kind)}")])
        text, reader = TextStream(self.language_model.tokenizer), CaptionStream((), within=kind)
        found: list[str | Caption] = []
        with contextlib.closing(self._tokens(torch.cat([prompt, begun], dim=1), most, (kind,))) as written:
            for piece in written:
                if isinstance(piece, Word) and (found := reader.add(text.add(piece.token))):
                    break
        return next((piece for piece in found or reader.finish() if isinstance(piece, Caption)), None)

    def _tokens(
        self, prompt: Tensor, most: int, wanted: Collection[str], said: Iterable[int] = ()
    ) -> Generator[Word | SignalGroup]:
        for piece in self.language_model.write(
            prompt,
            self.form.groups,
            self.form.stops,
            most=most,
            temperature=self.temperature,
            generator=torch.Generator("cpu").manual_seed(self.seed),
            cancelled=self.cancelled,
            banned=self.form.not_for_replies,
            said=said,
            kinds=wanted,
            positions=self.positions,
        ):
            self.tokens += 1
            yield piece
