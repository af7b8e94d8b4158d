"""Stage 2 for any language model and decoder (section 4.2 of the paper): signal tokens that ask for a medium, and a projection that says which.

The language model is frozen. What learns are the embeddings of the signal tokens, the row of its head that chooses the first of them, and a
transformer that turns its states at these tokens into the prompt embeddings that the decoder's own text encoders give the same caption. So
captions suffice, and no picture, clip or sound is needed. Hyper-parameters are those of the paper's table 7.
"""

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nextgpt_chat.checkpoint import Checkpoint, Signal, pipeline_class, read_checkpoint
from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.generate.caption_embeddings import CaptionEncoder, embedded_shape
from nextgpt_chat.generate.output_projection import OutputProjection
from nextgpt_chat.reason.chat_prompt import ChatPrompt
from nextgpt_chat.reason.interleave import interleave, signal_states
from nextgpt_chat.reason.signal_tokens import signal_names
from nextgpt_chat.training.any_encode import LONGEST, longest_caption
from nextgpt_chat.training.computed_once import claim, computed_once
from nextgpt_chat.training.course import CONTEXT, Course
from nextgpt_chat.training.loop import Losses, fit, processes
from nextgpt_chat.training.sharding import frozen, place, precision
from nextgpt_chat.training.size import (
    Size,
    activations,
    count,
    embedded,
    frozen_parameters,
    on_each,
    text_encoders,
    without_weights,
)
from nextgpt_chat.training.taking_places import take_places, write_description

RATE, BATCH = 4e-4, 8
"""Of the paper, for each GPU."""
SIGNALS = {"image": ("IMG", 4), "video": ("VID", 24), "audio": ("AUD", 8)}
"""Prefix and count of the signal tokens, as in the paper."""
PROJECTION = {"hidden": 512, "layers": 4, "heads": 4}
"""Shape of the output projections, as in the paper."""
ASKED = {
    "image": ("Show me a picture of this: {}", "Draw this, please: {}", "I want to see this: {}"),
    "video": ("Show me a clip of this: {}", "Film this, please: {}", "I want to see this move: {}"),
    "audio": ("Let me hear this: {}", "Make this sound, please: {}", "What would this sound like? {}"),
}
REPLIED = ("Here it is: {}", "{}", "Here you are. {}")
IN_WORDS = ("Repeat this in words: {}", "Say this again: {}", "Only write: {}")
"""Requests after which no medium comes."""
EMBEDDED_AT_ONCE = 64
"""Captions."""
WORDS_ALONE = 0.25
"""Share of those."""


def check(checkpoint: Checkpoint, kind: str) -> None:
    """Raises `InputError` for a model that this is not for."""
    if checkpoint.input_projection == "own" or kind not in checkpoint.captions:
        raise InputError(
            f"{checkpoint.title} cannot be taught so. Accepted is a model whose {kind} is among its captions, and without towers of its own."
        )
    if checkpoint.signals and checkpoint.projection != PROJECTION:
        raise InputError(f"The output projections of {checkpoint.title} have another shape than {PROJECTION}.")


def size(checkpoint: Checkpoint, kind: str, captions: int, course: Course, shape: dict[str, int] | None = None) -> Size:
    """What it takes to learn from as many captions."""
    decoder, language = checkpoint.part(f"{kind}_decoder"), without_weights(checkpoint)
    queries, width = embedded_shape(decoder)
    with torch.device("meta"):
        signals = Signals(language, SIGNALS[kind][1], queries, width, shape or PROJECTION)
    trained, whole, config = count([signals]), count([language]), language.config
    head = config.vocab_size * config.hidden_size if config.tie_word_embeddings else 0  # which is written by itself
    return Size(
        trained,
        whole + trained + frozen_parameters(checkpoint),
        memory=on_each(language, trained, course),
        activations=activations(language, course.batch, LONGEST + 2),
        encoders=2 * text_encoders(checkpoint, kind),
        steps=course.plan(captions).steps,
        disk=embedded(queries, width) * captions,
        written=precision().itemsize * (whole + head) + 4 * trained,
    )


class Signals(nn.Module):
    """What learns."""

    def __init__(self, language: PreTrainedModel, count: int, queries: int, width: int, shape: dict[str, int]) -> None:
        """`count` tokens, which begin near the mean embedding; `queries` embeddings of `width` features out."""
        super().__init__()
        table, head = language.get_input_embeddings().weight, language.get_output_embeddings().weight
        spread = table.float().std(dim=0)
        self.embeddings = nn.Parameter(
            table.float().mean(dim=0) + 0.1 * spread * torch.randn(count, table.shape[1]).to(table.device)
        )
        self.head = nn.Parameter(head.float().mean(dim=0))
        self.projection = OutputProjection(table.shape[1], queries=queries, width=width, **shape).to(table.device)

    def forward(self, language: PreTrainedModel, batch: dict[str, Tensor]) -> Losses:
        """The distance between projected and wanted prompt embeddings, and the cross-entropy of choosing the first signal token where it stands, and
        the words where it does not."""
        table = language.get_input_embeddings()
        drawn, count = len(batch["starts"]), len(self.embeddings)
        rows = torch.arange(drawn, device=batch["ids"].device)
        own = self.embeddings.expand(drawn, -1, -1)
        read = interleave(table(batch["ids"]), own, rows, batch["starts"])
        states = language.get_decoder()(inputs_embeds=read, attention_mask=batch["mask"], use_cache=False).last_hidden_state
        made = self.projection(signal_states(states, rows, batch["starts"], count).float(), own.float())
        distance = distance_between(made, batch["wanted"])
        before, words = states[:, :-1][batch["said"][:, 1:]], batch["ids"][:, 1:][batch["said"][:, 1:]]
        first = states[rows, batch["starts"] - 1]
        every = torch.cat([before, first])
        logits = torch.cat([language.get_output_embeddings()(every).float(), (every.float() @ self.head)[:, None]], dim=1)
        targets = torch.cat([words, torch.full((drawn,), logits.shape[1] - 1, device=words.device)])
        # of the words, only that the new token is not chosen in their place can be learnt: the rest is frozen
        chosen = functional.cross_entropy(logits, targets, reduction="none")
        choosing = chosen[: len(words)].mean() + chosen[len(words) :].mean()
        return {"loss": distance + choosing, "distance": distance.detach(), "choosing": choosing.detach()}


def distance_between(made: Tensor, wanted: Tensor) -> Tensor:
    """Of embeddings [N, L, D], the mean of their Euclidean distances, which are not squared: the loss of the authors' code."""
    return (made.float() - wanted).norm(dim=-1).mean()


@dataclass(frozen=True)
class Wanted:
    """Captions and what the decoder's text encoders make of them."""

    captions: Sequence[str]
    vectors: np.ndarray
    """float16 [N, L, D], on disk."""


def embed(captions: Sequence[str], decoder: Path, folder: Path) -> Wanted:
    """The prompt embeddings of each caption by the text encoders in a pipeline's folder, which are let go afterwards; goes on where it was
    interrupted."""

    @cache  # they are not loaded where nothing is missing
    def encoder() -> CaptionEncoder:
        return CaptionEncoder(decoder, processes().device, precision())

    found = computed_once(
        folder,
        "\n".join([pipeline_class(decoder), *captions]),
        len(captions),
        embedded_shape(decoder),
        np.float16,
        captions.__getitem__,
        lambda those: list(encoder()(those).float().cpu().numpy()),
        EMBEDDED_AT_ONCE,
    )
    return Wanted(captions, found.rows)


def train(checkpoint: Checkpoint, kind: str, captions: Sequence[str], course: Course) -> None:
    """Trains and writes into the checkpoint's folder: the language model with its new tokens, the projection, and the description.

    An interrupted run goes on.
    """
    check(checkpoint, kind)
    decoder = checkpoint.part(f"{kind}_decoder")
    if processes().is_main_process:
        claim(course.run, "\n".join([checkpoint.revision(), kind, course.told, *captions]))
    processes().wait_for_everyone()
    wanted = embed(captions, decoder, course.run)
    language = frozen(checkpoint, lora=True)
    place(language, course.shared)
    left = tuple(other for other in checkpoint.captions if other != kind)
    prefix, tokens_of_group = SIGNALS[kind]
    language.tokenizer.add_tokens(
        [AddedToken(name, special=True, normalized=False) for name in signal_names(prefix, tokens_of_group)], special_tokens=True
    )
    tokens = {**checkpoint.signal_tokens, kind: SIGNALS[kind]}
    form = ChatPrompt(language.tokenizer, tokens, left, lambda _: 0, language.ends, checkpoint.instructions)
    torch.manual_seed(course.seed)
    queries, width = wanted.vectors.shape[1:]
    signals = Signals(language.model, tokens_of_group, queries, width, PROJECTION)
    plan, make = course.plan(len(captions)), batches(wanted, form, kind, course.batch)
    trained = fit(signals, plan, make, lambda module, rows: module(language.model, rows), course.run, course.seed)
    if processes().is_main_process:
        _write(checkpoint, kind, trained, language.tokenizer, form.groups.ids[kind], course.run)
    processes().wait_for_everyone()


def batches(wanted: Wanted, form: ChatPrompt, kind: str, size: int) -> Callable[[random.Random], dict[str, Tensor]]:
    """What makes the batch of a step: requests whose replies end in a signal group, and some that are answered in words alone."""
    count = len(form.groups.ids[kind])
    most = longest_caption(form, [(Text(words.format("")),) for words in (*ASKED[kind], *IN_WORDS)], 2, count)

    def batch(rng: random.Random) -> dict[str, Tensor]:
        drawn = max(1, size - round(size * WORDS_ALONE))
        chosen = [rng.randrange(len(wanted.captions)) for _ in range(size)]
        examples = [example(wanted.captions[number], kind, form, rng, row < drawn, most) for row, number in enumerate(chosen)]
        longest = max(len(ids) for ids, _ in examples) + count
        ids, mask = torch.full((size, longest), form.ends[0]), torch.zeros(size, longest, dtype=torch.long)
        said = torch.zeros(size, longest, dtype=torch.bool)
        for row, (tokens, begin) in enumerate(examples):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens) + count * (row < drawn)] = 1
            said[row, begin : len(tokens)] = True
        starts = torch.tensor([len(tokens) for tokens, _ in examples[:drawn]])
        vectors = torch.from_numpy(wanted.vectors[chosen[:drawn]].astype(np.float32))
        return {"ids": ids, "mask": mask, "said": said, "starts": starts, "wanted": vectors}

    return batch


def example(
    caption: str, kind: str, form: ChatPrompt, rng: random.Random, drawn: bool, most: int = LONGEST
) -> tuple[list[int], int]:
    """Ids of a request and its reply as far as the signal group, or with its end; and where the reply begins. Of the caption, `most` tokens are said."""
    ids = form.text(caption)
    if len(ids) > most:
        caption = form.tokenizer.decode(ids[:most]).rstrip("\ufffd")  # which stands for half a letter
    asked = form.conversation([Turn("user", (Text(rng.choice(ASKED[kind] if drawn else IN_WORDS).format(caption)),))])
    reply = rng.choice(REPLIED).format(caption) if drawn else caption
    said = form.text(reply)[: min(most, CONTEXT - len(asked.ids) - len(form.groups.ids[kind]))]
    return [*asked.ids, *said, *([] if drawn else form.ends[:1])], len(asked.ids)


def _write(
    checkpoint: Checkpoint, kind: str, signals: Any, tokenizer: PreTrainedTokenizerBase, ids: tuple[int, ...], run: Path
) -> None:
    """The language model is read once more, written beside the old one, and takes its place when it is whole; a LoRA is merged by then."""
    model, new = frozen(checkpoint, lora=True).model, checkpoint.part("llm.new")
    shutil.rmtree(new, ignore_errors=True)
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    if (
        model.get_input_embeddings().weight is model.get_output_embeddings().weight
    ):  # signal tokens are read as something else than chosen
        model.get_output_embeddings().weight = nn.Parameter(model.get_output_embeddings().weight.detach().clone())
        model.config.tie_word_embeddings = False
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    with torch.no_grad():
        table[list(ids)] = signals.embeddings.to(table.dtype).to(table.device)
        head[ids[0]] = signals.head.to(head.dtype).to(head.device)
    model.save_pretrained(new)
    tokenizer.save_pretrained(new)
    weights = checkpoint.part("output_projections.safetensors")
    kept = load_file(weights) if weights.is_file() else {}
    mine = {
        f"{kind}.{name}": tensor.detach().float().cpu().contiguous() for name, tensor in signals.projection.state_dict().items()
    }
    save_file({**kept, **mine}, weights.with_suffix(".new"))
    prefix, count = SIGNALS[kind]
    queries, width = signals.projection.query_embs.shape[1], signals.projection.out_fc.out_features
    signal = Signal(prefix=prefix, count=count, queries=queries, width=width)
    changes = {
        "captions": [other for other in checkpoint.captions if other != kind],
        "signals": {name: one.model_dump() for name, one in {**checkpoint.signals, kind: signal}.items()},
        "projection": PROJECTION,
    }
    places = {new.name: "llm", weights.with_suffix(".new").name: weights.name}
    take_places(checkpoint.folder, places | write_description(checkpoint.folder, changes), run, gone=["lora"])
    read_checkpoint(checkpoint.folder)
