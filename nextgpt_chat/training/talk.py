"""Batches of Tinyland dialogues for the stages that train or use the language model."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from nextgpt_chat.conversation import Media, Text, Turn
from nextgpt_chat.media.stand_in import stand_in
from nextgpt_chat.reason.prompt import Prompt, PromptFormat
from nextgpt_chat.tinyland.dialogues import (
    KINDS,
    OFTEN,
    dialogue,
    distracted_dialogue,
    new_medium,
    seen_and_heard,
    several,
    training_scenes,
)
from nextgpt_chat.tinyland.exchange import Exchange, Medium
from nextgpt_chat.tinyland.holdout import training_scene
from nextgpt_chat.tinyland.questions import question
from nextgpt_chat.training.captioned import NAMES
from nextgpt_chat.training.loop import processes

LENGTHS = (1, 2, 2, 3, 4, 5, 7, 10)
"""Exchanges of the dialogues in a batch, drawn once per batch so that little of it is padding. Ten fill the model's context."""
DECISIVE = 20.0
"""Weight of a word that hangs on a comparison."""
NAMING = 5.0
"""Weight of a word that names an attribute; what stands around it is half chance, since most things can be said in several ways."""
CHOOSING = 5.0
"""Weight of the tokens by which a reply is of one kind or another: its first, which begins to tell, to show or to play, and that which ends it or
asks for a medium."""
TEXT_FIRST = 0.25
"""Share of messages whose media stand behind the text."""


def turns(exchanges: Iterable[Exchange], rng: random.Random, draws: bool = True) -> list[Turn]:
    """A dialogue as turns; without `draws`, replies are text alone."""
    told: list[Turn] = []
    for exchange in exchanges:
        shown: list[Text | Media] = [stand_in(medium.kind, medium.caption) for medium in exchange.shown]
        text: list[Text | Media] = [Text(exchange.ask)]
        asked = text + shown if rng.random() < TEXT_FIRST else shown + text
        made = [stand_in(medium.kind, medium.caption, exchange.start) for medium in exchange.made if draws]
        told += [Turn("user", tuple(asked)), Turn("assistant", (Text(exchange.reply), *made))]
    return told


def dialogue_batch(rng: random.Random, exchanges: int, distracted: int, drill: Sequence[Exchange]) -> list[list[Exchange]]:
    """Dialogues of one length: about `exchanges` exchanges of all kinds, `distracted` of distracted dialogues, and those of `drill`, strung
    together to the same length."""
    length = rng.choice(LENGTHS)
    told = [dialogue(rng, length) for _ in range(exchanges // length)]
    told += [distracted_dialogue(rng, length) for _ in range(distracted // length)]
    return told + [list(drill[i : i + length]) for i in range(0, len(drill), length)]


def fitting(told: Iterable[Sequence[Turn]], form: PromptFormat, context: int) -> list[Sequence[Turn]]:
    """Of each dialogue as many of its first exchanges as fit into `context` positions; one of which none fits is left out."""
    beginnings = []
    for whole in told:
        kept = whole
        while kept and len(form.conversation(kept).ids) > context:
            kept = kept[:-2]
        if kept:
            beginnings.append(kept)
    return beginnings


def read_batch(rng: random.Random, told: Sequence[Sequence[Turn]], exchanges: int, length: int) -> list[Sequence[Turn]]:
    """Up to `exchanges` exchanges of dialogues that were read: the first `length` of each, so that little of a batch is padding.

    Not any `length` in a row: a reply may hang on all that was said before it.
    """
    return [rng.choice(told)[: 2 * length] for _ in range(exchanges // length)] if told else []


def some_medium(rng: random.Random) -> Medium:
    """A picture, a clip or a sound that training may meet."""
    return new_medium(rng, rng.choices(tuple(OFTEN), tuple(OFTEN.values()))[0], training_scenes)


def comparisons(rng: random.Random, count: int) -> list[Exchange]:
    """Is it blue? What is on the left? One word of the reply hangs on a comparison; in dialogues that is too rare to be learnt early."""
    media = [some_medium(rng) for _ in range(count)]
    return [
        question(medium, rng, rng.choice(("whether", "spot") if medium.kind == "image" else ("whether",)), shown=True)
        for medium in media
    ]


def mixes(rng: random.Random, count: int) -> list[Exchange]:
    """Several media in one message, and a quarter of them in one reply. Dialogues begin with them too seldom for that to be learnt."""
    asked: list[Exchange] = []
    while len(asked) < count:
        seen = new_medium(rng, rng.choice(("image", "video")), training_scenes)
        exchange = several(rng, training_scenes, KINDS) if rng.random() < 0.75 else seen_and_heard(seen, rng)
        asked += [exchange] if exchange else []
    return asked


def odd_questions(rng: random.Random, count: int) -> list[Exchange]:
    """What thing is it, where its colour has no name; what colour is it, where its shape has none; how many are heard, where nothing has
    their voice: so that none answers for the other."""
    asked: list[Exchange] = []
    while len(asked) < count:
        medium = new_medium(rng, rng.choice(("image", "image", "video", "audio")), training_scenes)
        seen, heard = (("thing", "colour"), ("colour", "thing")), (("count", "thing"), ("size", "thing"))
        name, unnamed = rng.choice(heard if medium.kind == "audio" else seen)
        exchange = question(medium, rng, name, shown=True)
        if name == "thing" or medium.scene.thing not in exchange.ask:
            asked.append(replace(exchange, unnamed=(unnamed,)))
    return asked


def odd_captions(rng: random.Random, words: Sequence[str], count: int) -> list[Exchange]:
    """Captions to repeat and to draw, with any of `words` in the place of the colour, the thing or both.

    Only few colours and things have a name. What carries any word carries each for itself, in pairs that it never met as well.
    """
    asked = []
    for _ in range(count):
        kind = rng.choice(("image", "image", "video"))
        odd = rng.choice((("thing",), ("colour",), ("thing", "colour")))
        made = Medium(kind, replace(training_scene(rng, (kind,)), **{name: rng.choice(words) for name in odd}))
        asked.append(Exchange(made.caption, f"{made.caption}.", made=(made,)))
    return asked


def captions_in_slots(prompt: Prompt, form: PromptFormat) -> Prompt:
    """The same sequence with the words of each medium's caption in the place of its embeddings."""
    spliced = Prompt()
    position = 0
    for slot in prompt.slots:
        spliced.add(prompt.ids[position : slot.start])
        spliced.answer[-(slot.start - position) :] = prompt.answer[position : slot.start]
        spliced.add(form.text(slot.medium.caption or ""))
        position = slot.start + form.input_tokens[slot.medium.kind]
    spliced.ids.extend(prompt.ids[position:])
    spliced.answer.extend(prompt.answer[position:])
    return spliced


@dataclass(frozen=True)
class Padded:
    """Sequences of different lengths as rectangles [B, L]."""

    ids: Tensor
    mask: Tensor
    """1 where there is a token."""
    answer: Tensor
    """True where the model speaks."""


def pad(prompts: list[Prompt], padding: int) -> Padded:
    """Right-padded sequences."""
    longest = max(len(prompt.ids) for prompt in prompts)
    ids = torch.full((len(prompts), longest), padding)
    mask = torch.zeros_like(ids)
    answer = torch.zeros_like(ids, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        length = len(prompt.ids)
        ids[row, :length] = torch.tensor(prompt.ids)
        mask[row, :length] = 1
        answer[row, :length] = torch.tensor(prompt.answer)
    return Padded(ids, mask, answer)


def reply_weights(padded: Padded, form: PromptFormat, chooses: bool = True) -> Tensor:
    """Weight of each token in the loss of replies [B, L]: 1 where the model speaks, more where it names an attribute, and if it `chooses` what it
    makes, where it begins, ends or asks for a medium; most where one word hangs on a comparison.

    Those last words are "indeed" and the comma before "not" (see `dialogues`). At weight 1 the language model was still guessing them
    after 3,000 steps; with this weight it had learnt them after 400 steps of questions alone.
    """
    decisive = torch.zeros_like(padded.answer)
    for words in (" indeed", ", not"):
        decisive |= _begins(padded.ids, form.text(words))
    named = torch.isin(padded.ids, torch.tensor([form.text(f" {name}")[0] for name in NAMES]))
    choices = (form.end, form.groups.start, *form.groups.first)
    chosen = torch.isin(padded.ids, torch.tensor([token for token in choices if token is not None]))
    chosen |= padded.answer & ~functional.pad(padded.answer[:, :-1], (1, 0))
    weights = torch.where(chosen & chooses, CHOOSING, 1.0)
    for weight, tokens in ((NAMING, named), (DECISIVE, decisive)):
        weights = weights.masked_fill(tokens, weight)
    return padded.answer * weights


def _begins(ids: Tensor, phrase: list[int]) -> Tensor:
    """True at each token [B, L] with which the phrase begins."""
    begins = torch.ones_like(ids, dtype=torch.bool)
    for offset, token in enumerate(phrase):
        begins &= functional.pad(ids[:, offset:], (0, offset), value=-1) == token
    return begins


def next_token_losses(logits: Tensor, ids: Tensor) -> Tensor:
    """Cross-entropy of each next token: [B, L, V] against [B, L] -> [B, L - 1]."""
    losses = functional.cross_entropy(logits[:, :-1].float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    return losses.unflatten(0, (len(ids), -1))


def weighted_mean(losses: Tensor, weight: Tensor) -> Tensor:
    """Mean of next-token losses [B, L - 1], each weighted as its token in `weight` [B, L]."""
    weight = weight[:, 1:]
    return (losses * weight).sum() / weight.sum().clamp(min=1e-6)


def eager_attention(language_model: PreTrainedModel) -> None:
    """On a CPU, lets the language model compute its attention in bfloat16 itself: a step is then 1.2 times as fast as with the plain
    attention that `fit` chooses there."""
    if processes().device.type == "cpu":
        language_model.set_attn_implementation("eager")
