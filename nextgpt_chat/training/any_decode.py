"""Stage 2 for any language model and decoder (section 4.2 of the paper): signal tokens that ask for a medium, and a projection that says which.

The language model is frozen. What learns are the embeddings of the signal tokens, the row of its head that chooses the first of them, and a
transformer that turns its states at these tokens into the prompt embeddings that the decoder's own text encoders give the same caption. So
captions suffice, and no picture, clip or sound is needed. Hyper-parameters are those of the paper's table 7; the rate falls along a cosine.
"""

import json
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from nextgpt_chat.checkpoint import FILE_NAME, Checkpoint, read_checkpoint
from nextgpt_chat.conversation import Text, Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.generate.caption_embeddings import CaptionEncoder
from nextgpt_chat.generate.output_projection import OutputProjection
from nextgpt_chat.reason.chat_prompt import ChatPrompt
from nextgpt_chat.reason.interleave import interleave, signal_states
from nextgpt_chat.reason.signal_tokens import signal_names
from nextgpt_chat.training.any_encode import DECAY, LONGEST, WARMUP, Size
from nextgpt_chat.training.computed_once import claim, computed_once
from nextgpt_chat.training.loop import Losses, Plan, fit, processes
from nextgpt_chat.training.sharding import check_shared, frozen, held, precision, share

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


def size(checkpoint: Checkpoint, kind: str, plan: Plan, shape: dict[str, int] | None = None, several: int = 1) -> Size:
    """Of a run of which `several` processes share the language model; that is built on the `meta` device, and of the decoder the text encoders are
    loaded, to see what they write."""
    config = AutoConfig.from_pretrained(checkpoint.part("llm"), local_files_only=True)
    written = CaptionEncoder(checkpoint.part(f"{kind}_decoder"), torch.device("cpu"))("a caption").shape
    with torch.device("meta"):
        language = AutoModelForCausalLM.from_config(config)
        signals = Signals(language, SIGNALS[kind][1], written[1], written[2], shape or PROJECTION)
    whole, trained = (sum(parameter.numel() for parameter in module.parameters()) for module in (language, signals))
    return Size(trained, whole + trained, 2 * held(language, several) + 16 * trained, plan.steps, 2 * written[1] * written[2])


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
        states = language.get_decoder()(inputs_embeds=read, attention_mask=batch["mask"]).last_hidden_state
        made = self.projection(signal_states(states, rows, batch["starts"], count).float(), own.float())
        distance = functional.mse_loss(made.float(), batch["wanted"])
        before, words = states[:, :-1][batch["said"][:, 1:]], batch["ids"][:, 1:][batch["said"][:, 1:]]
        first = states[rows, batch["starts"] - 1]
        every = torch.cat([before, first])
        logits = torch.cat([language.get_output_embeddings()(every).float(), (every.float() @ self.head)[:, None]], dim=1)
        targets = torch.cat([words, torch.full((drawn,), logits.shape[1] - 1, device=words.device)])
        # of the words, only that the new token is not chosen in their place can be learnt: the rest is frozen
        chosen = functional.cross_entropy(logits, targets, reduction="none")
        choosing = chosen[: len(words)].mean() + chosen[len(words) :].mean()
        return {"loss": distance + choosing, "distance": distance.detach(), "choosing": choosing.detach()}


@dataclass(frozen=True)
class Wanted:
    """Captions and what the decoder's text encoders make of them."""

    captions: Sequence[str]
    vectors: np.ndarray
    """float16 [N, L, D], on disk."""


def embed(captions: Sequence[str], encoder: CaptionEncoder, folder: Path) -> Wanted:
    """The prompt embeddings of each caption; goes on where it was interrupted."""
    told = "\n".join([encoder.name, *captions])
    found = computed_once(
        folder,
        told,
        len(captions),
        lambda: tuple(encoder(captions[0]).shape[1:]),
        np.float16,
        lambda number: encoder(captions[number])[0].float().cpu().numpy(),
    )
    return Wanted(captions, found.rows)


def train(
    checkpoint: Checkpoint,
    kind: str,
    captions: Sequence[str],
    run: Path,
    plan: Plan,
    batch: int,
    seed: int,
    shared: bool = False,
) -> None:
    """Trains and writes into the checkpoint's folder: the language model with its new tokens, the projection, and the description.

    An interrupted run goes on. If `shared`, several processes hold the language model together.
    """
    check(checkpoint, kind)
    check_shared(shared)
    if processes().is_main_process:
        claim(run, "\n".join([checkpoint.revision(), kind, f"{plan} {batch} {seed}", *captions]))
        embed(captions, CaptionEncoder(checkpoint.part(f"{kind}_decoder"), processes().device, precision()), run)
    processes().wait_for_everyone()
    wanted = Wanted(captions, np.load(run / "computed.npy", mmap_mode="r"))
    language = frozen(checkpoint, lora=True, in_main_memory=shared)
    if shared:
        share(language)
    left = tuple(other for other in checkpoint.captions if other != kind)
    prefix, count = SIGNALS[kind]
    language.tokenizer.add_tokens(
        [AddedToken(name, special=True, normalized=False) for name in signal_names(prefix, count)], special_tokens=True
    )
    tokens = {**checkpoint.signal_tokens, kind: SIGNALS[kind]}
    form = ChatPrompt(language.tokenizer, tokens, left, lambda _: 0, language.ends, checkpoint.instructions)
    torch.manual_seed(seed)
    queries, width = wanted.vectors.shape[1:]
    signals = Signals(language.model, count, queries, width, PROJECTION)
    trained = fit(signals, plan, batches(wanted, form, kind, batch), lambda module, rows: module(language.model, rows), run, seed)
    if processes().is_main_process:
        _write(checkpoint, kind, trained, language.tokenizer, form.groups.ids[kind])
    processes().wait_for_everyone()


def plan_for(captions: int, epochs: float, batch: int, rate: float, several: int = 1) -> Plan:
    """The paper's, for as many captions on `several` GPUs."""
    return Plan(max(2, round(epochs * captions / (batch * several))), rate, warmup=WARMUP, decay=DECAY, bf16=True)


def batches(wanted: Wanted, form: ChatPrompt, kind: str, size: int) -> Callable[[random.Random], dict[str, Tensor]]:
    """What makes the batch of a step: requests whose replies end in a signal group, and some that are answered in words alone."""
    count = len(form.groups.ids[kind])

    def batch(rng: random.Random) -> dict[str, Tensor]:
        drawn = max(1, size - round(size * WORDS_ALONE))
        chosen = [rng.randrange(len(wanted.captions)) for _ in range(size)]
        examples = [example(wanted.captions[number], kind, form, rng, row < drawn) for row, number in enumerate(chosen)]
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


def example(caption: str, kind: str, form: ChatPrompt, rng: random.Random, drawn: bool) -> tuple[list[int], int]:
    """Ids of a request and its reply as far as the signal group, or with its end; and where the reply begins."""
    asked = form.conversation([Turn("user", (Text(rng.choice(ASKED[kind] if drawn else IN_WORDS).format(caption)),))])
    reply = rng.choice(REPLIED).format(caption) if drawn else caption
    said = form.text(reply)[:LONGEST]
    return [*asked.ids, *said, *([] if drawn else form.ends[:1])], len(asked.ids)


def _write(checkpoint: Checkpoint, kind: str, signals: Any, tokenizer: PreTrainedTokenizerBase, ids: tuple[int, ...]) -> None:
    """The language model is read once more, written beside the old one, and takes its place when it is whole; a LoRA is merged by then."""
    model, new = frozen(checkpoint, lora=True, in_main_memory=True).model, checkpoint.part("llm.new")
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
    path, weights = checkpoint.part(FILE_NAME), checkpoint.part("output_projections.safetensors")
    described = json.loads(path.read_text(encoding="utf-8"))
    shutil.copy(path, path.with_suffix(".before.json"))
    kept = load_file(weights) if weights.is_file() else {}
    mine = {
        f"{kind}.{name}": tensor.detach().float().cpu().contiguous() for name, tensor in signals.projection.state_dict().items()
    }
    save_file({**kept, **mine}, weights.with_suffix(".new"))
    prefix, count = SIGNALS[kind]
    queries, width = signals.projection.query_embs.shape[1], signals.projection.out_fc.out_features
    described["captions"] = [other for other in described["captions"] if other != kind]
    described["signals"] = described.get("signals", {}) | {
        kind: {"prefix": prefix, "count": count, "queries": queries, "width": width}
    }
    described["projection"] = PROJECTION
    path.with_suffix(".new").write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    # all is on disk; from here on files only change their names
    for name in ("lora", "llm"):
        old = checkpoint.part(f"{name}.before")
        shutil.rmtree(old, ignore_errors=True)
        if checkpoint.part(name).is_dir():
            checkpoint.part(name).rename(old)
    new.rename(checkpoint.part("llm"))
    weights.with_suffix(".new").replace(weights)
    path.with_suffix(".new").replace(path)
    for name in ("lora", "llm"):
        shutil.rmtree(checkpoint.part(f"{name}.before"), ignore_errors=True)
    read_checkpoint(checkpoint.folder)
