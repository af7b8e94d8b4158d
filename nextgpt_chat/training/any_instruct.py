"""Stage 3 for any language model (section 4.3 of the paper): a LoRA learns from whole dialogues when to speak, when to make a medium, and which.

Each reply of a dialogue is one example, read exactly as it will be when the model serves: in its own chat template, with what was said before. What
learns are the LoRA and, where they were trained, the projections. Hyper-parameters are those of the paper (table 7; LoRA as in the authors' code);
the rate falls along a cosine.
"""

import json
import math
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM

from nextgpt_chat.checkpoint import Checkpoint, read_checkpoint
from nextgpt_chat.conversation import Media, Turn
from nextgpt_chat.encode.imagebind import ImageBind, read_config
from nextgpt_chat.encode.input_projection import LinearProjection
from nextgpt_chat.errors import InputError
from nextgpt_chat.generate.caption_embeddings import CaptionEncoder
from nextgpt_chat.generate.output_projection import OutputProjection
from nextgpt_chat.reason.chat_prompt import ChatPrompt
from nextgpt_chat.reason.interleave import interleave, signal_states
from nextgpt_chat.reason.language_model import LanguageModel
from nextgpt_chat.training.alignment import save_weights
from nextgpt_chat.training.any_decode import embed as embed_captions
from nextgpt_chat.training.any_encode import DECAY, WARMUP, Size
from nextgpt_chat.training.computed_once import claim
from nextgpt_chat.training.course import Course
from nextgpt_chat.training.dialogue_examples import Example, batches, examples
from nextgpt_chat.training.embedded_pairs import embed as embed_media
from nextgpt_chat.training.loop import Losses, Plan, fit, processes
from nextgpt_chat.training.pairs import Pair
from nextgpt_chat.training.sharding import frozen, held, precision, share
from nextgpt_chat.weights import load_into

RATE, BATCH = 5e-4, 4
"""Of the paper, for each GPU."""
WHOLE = "instruct.new"
"""File that is there while what was learnt is on disk as a whole and takes its places."""
CONTEXT = 512
"""Most tokens of an example, as in the paper: of a longer one the oldest turns are left out."""
LORA: dict[str, Any] = {
    "r": 32,
    "lora_alpha": 32,
    "lora_dropout": 0.1,
    "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"],
    "task_type": "CAUSAL_LM",
}
"""Of the authors' code."""


def check(checkpoint: Checkpoint) -> None:
    """Raises `InputError` for a model that this is not for."""
    if checkpoint.prompt != "chat" or checkpoint.input_projection == "own":
        raise InputError(
            f"{checkpoint.title} cannot be taught so. Accepted is a model with the prompt 'chat' and without towers of its own."
        )


class Instructed(nn.Module):
    """What learns, around the language model."""

    def __init__(self, language: PeftModel, projection: LinearProjection | None, signals: nn.ModuleDict) -> None:
        super().__init__()
        self.language, self.projection, self.signals = language, projection, signals

    def forward(self, batch: dict[str, Any]) -> Losses:
        """Cross-entropy of what the model chooses in its replies, and the distance between projected and wanted prompt embeddings."""
        base = self.language.get_base_model()
        words = base.get_input_embeddings()(batch["ids"])
        read = words
        unused = [module for module in (self.projection, *self.signals.values()) if module is not None]
        if self.projection is not None and len(batch["media"]):
            read = interleave(words, self.projection(batch["media"], ""), batch["rows"], batch["starts"])
            unused.remove(self.projection)
        states = base.get_decoder()(inputs_embeds=read, attention_mask=batch["mask"]).last_hidden_state
        chosen = batch["chosen"][:, 1:]
        logits = base.get_output_embeddings()(states[:, :-1][chosen])
        losses = {"words": functional.cross_entropy(logits.float(), batch["ids"][:, 1:][chosen])}
        for kind in self.signals:
            if kind not in batch["made"]:
                losses[f"{kind} distance"] = words.new_zeros(())
                continue
            group = batch["made"][kind]
            count = group["count"]
            unused.remove(self.signals[kind])
            at = signal_states(states, group["rows"], group["starts"], count)
            own = signal_states(words, group["rows"], group["starts"], count)
            losses[f"{kind} distance"] = functional.mse_loss(self.signals[kind](at.float(), own.float()).float(), group["wanted"])
        # Several processes add up their gradients, and each must have one of every weight.
        nothing = sum((0.0 * weight.sum() for module in unused for weight in module.parameters()), words.new_zeros(()))
        return {
            "loss": torch.stack(list(losses.values())).sum() + nothing,
            **{name: loss.detach() for name, loss in losses.items()},
        }


def size(checkpoint: Checkpoint, plan: Plan, several: int = 1) -> Size:
    """Of a run of which `several` processes share the language model; that is built on the `meta` device."""
    config = AutoConfig.from_pretrained(checkpoint.part("llm"), local_files_only=True)
    with torch.device("meta"):
        language = AutoModelForCausalLM.from_config(config)
        whole, mine = sum(parameter.numel() for parameter in language.parameters()), held(language, several)
        tuned = get_peft_model(language, LoraConfig(**LORA))
        seen, made = _projections(checkpoint, config.hidden_size)
    learning = [one for one in tuned.parameters() if one.requires_grad]
    learning += [one for module in (seen, made) if module is not None for one in module.parameters()]
    trained = sum(parameter.numel() for parameter in learning)
    return Size(trained, whole + trained, 2 * mine + 16 * trained, plan.steps, 0)


def _projections(checkpoint: Checkpoint, hidden: int) -> tuple[LinearProjection | None, nn.ModuleDict]:
    """Those that the checkpoint has, with weights that are still to be read: for what is shown, and by kind for what is made."""
    seen = LinearProjection(read_config(checkpoint.part("imagebind")).embedding, hidden) if checkpoint.input_tokens else None
    shapes = checkpoint.signals.items()
    made = {kind: OutputProjection(hidden, queries=one.queries, width=one.width, **checkpoint.projection) for kind, one in shapes}
    return seen, nn.ModuleDict(made)


def plan_for(replies: int, epochs: float, batch: int, rate: float, several: int = 1) -> Plan:
    """The paper's, for as many replies on `several` GPUs."""
    return Plan(max(2, math.ceil(epochs * replies / (batch * several))), rate, warmup=WARMUP, decay=DECAY, bf16=True)


def train(checkpoint: Checkpoint, told: Sequence[Sequence[Turn]], course: Course) -> int:
    """Trains and writes the LoRA and the projections into the checkpoint's folder; returns from how many replies. A LoRA that is there already
    learns on. An interrupted run goes on."""
    check(checkpoint)
    run = course.run
    ended = _ended_while_writing(checkpoint)
    processes().wait_for_everyone()
    if processes().is_main_process and ended:
        _take_places(checkpoint)
    processes().wait_for_everyone()
    if ended.get("run") == str(run.resolve()):
        return int(ended["replies"])
    checkpoint = read_checkpoint(checkpoint.folder)
    device = processes().device
    language = frozen(checkpoint, lora=False, in_main_memory=course.shared)
    form = ChatPrompt(
        language.tokenizer, checkpoint.signal_tokens, checkpoint.captions, lambda _: 1, language.ends, checkpoint.instructions
    )
    found = examples(told, form, checkpoint, CONTEXT)
    if processes().is_main_process:
        claim(run, "\n".join([checkpoint.revision(), course.told, *(f"{one.ids} {one.shown} {one.made}" for one in found)]))
        _compute(checkpoint, told, found, run)
    processes().wait_for_everyone()
    media, wanted = _compute(checkpoint, told, found, run)
    torch.manual_seed(course.seed)
    seen, made = _projections(checkpoint, language.hidden)
    if seen is not None:
        load_into(seen, checkpoint.part("input_projection.safetensors"), device)
    if checkpoint.signals:
        load_into(made, checkpoint.part("output_projections.safetensors"), device)
    model = Instructed(_tuned(language, checkpoint), seen, made)
    if course.shared:
        share(language, model)
    make = batches(found, form, media, wanted, course.batch)
    plan = plan_for(len(found), course.epochs, course.batch, course.rate, processes().num_processes)
    trained = fit(model, plan, make, lambda module, rows: module(rows), run, course.seed)
    if processes().is_main_process:
        _write(checkpoint, trained, {"run": str(run.resolve()), "replies": len(found)})
    processes().wait_for_everyone()
    return len(found)


def _tuned(language: LanguageModel, checkpoint: Checkpoint) -> PeftModel:
    """The language model with a LoRA that learns, in float32; everything else is frozen."""
    if processes().device.type != "cpu":  # activations are computed again in the backward pass instead of being kept
        language.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        language.model.enable_input_require_grads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT asks Transformers by a name that is being renamed
        if checkpoint.lora:
            return PeftModel.from_pretrained(language.model, checkpoint.lora, is_trainable=True)
        return get_peft_model(language.model, LoraConfig(**LORA))


def _compute(
    checkpoint: Checkpoint, told: Sequence[Sequence[Turn]], found: Sequence[Example], run: Path
) -> tuple[dict[str, np.ndarray], dict[tuple[str, str], np.ndarray]]:
    """What ImageBind makes of the media that are shown, by content hash, and the decoders' text encoders of captions, by kind and caption: once."""
    needed = {sha256 for one in found for _, sha256 in one.shown}
    every: dict[str, Media] = {
        medium.sha256: medium for turns in told for turn in turns for medium in turn.media if medium.sha256 in needed
    }
    media: dict[str, np.ndarray] = {}
    if every:
        encoder = ImageBind.from_pretrained(checkpoint.part("imagebind")).eval().to(processes().device)
        pairs = [Pair(medium.kind, medium.path, sha256) for sha256, medium in sorted(every.items())]
        read = embed_media(pairs, encoder, run / "shown")
        media = {pair.caption: vector for pair, vector in zip(read.pairs, read.vectors, strict=True)}
    wanted: dict[tuple[str, str], np.ndarray] = {}
    for kind in checkpoint.signals:
        captions = sorted({caption for one in found for of, _, caption in one.made if of == kind})
        if captions:
            made = embed_captions(
                captions, CaptionEncoder(checkpoint.part(f"{kind}_decoder"), processes().device, precision()), run / kind
            )
            wanted |= {(kind, caption): made.vectors[number] for number, caption in enumerate(captions)}
    return media, wanted


def _ended_while_writing(checkpoint: Checkpoint) -> dict[str, Any]:
    """Which run had written all that it made and was ended before that took its places; empty if there is none."""
    mark = checkpoint.part(WHOLE)
    found: dict[str, Any] = json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() else {}
    return found


def _write(checkpoint: Checkpoint, trained: nn.Module, run: dict[str, Any]) -> None:
    """The LoRA and the projections are written beside the old ones and take their places when they are whole."""
    new = checkpoint.part("lora.new")
    shutil.rmtree(new, ignore_errors=True)
    trained.language.save_pretrained(new)
    fresh = {}
    if trained.projection is not None:
        fresh["input_projection"] = trained.projection
    if len(trained.signals):
        fresh["output_projections"] = trained.signals
    for name, module in fresh.items():
        save_weights(module, checkpoint.part(f"{name}.new"))
    checkpoint.part(WHOLE).write_text(json.dumps(run), encoding="utf-8")
    _take_places(checkpoint)


def _take_places(checkpoint: Checkpoint) -> None:
    """What was written takes its places: all of it is on disk, so that this can be gone on with whenever it was ended."""
    if checkpoint.part("lora.new").is_dir():
        shutil.rmtree(checkpoint.part("lora"), ignore_errors=True)
        checkpoint.part("lora.new").rename(checkpoint.part("lora"))
    for name in ("input_projection", "output_projections"):
        if checkpoint.part(f"{name}.new").is_file():
            checkpoint.part(f"{name}.new").replace(checkpoint.part(f"{name}.safetensors"))
    checkpoint.part(WHOLE).unlink()
    read_checkpoint(checkpoint.folder)
