"""Stage 3 for any language model (section 4.3 of the paper): a LoRA learns from whole dialogues when to speak, when to make a medium, and which.

Each reply of a dialogue is one example, read exactly as it will be when the model serves: in its own chat template, or in the words of the published
NExT-GPT, with what was said before. What learns are the LoRA and, where they were trained, the projections. Hyper-parameters are those of the paper
(table 7; LoRA as in the authors' code).
"""

import logging
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
from transformers import PreTrainedModel

from nextgpt_chat.checkpoint import THE_PAPERS, Checkpoint, pipeline_class, read_checkpoint
from nextgpt_chat.conversation import Media, Turn
from nextgpt_chat.encode.imagebind import ImageBind, read_config
from nextgpt_chat.encode.input_projection import LinearProjection
from nextgpt_chat.errors import InputError
from nextgpt_chat.generate.output_projection import OutputProjection
from nextgpt_chat.reason.forms import form_of
from nextgpt_chat.reason.interleave import interleave, signal_states
from nextgpt_chat.training.alignment import save_weights
from nextgpt_chat.training.any_decode import distance_between
from nextgpt_chat.training.any_decode import embed as embed_captions
from nextgpt_chat.training.computed_once import claim
from nextgpt_chat.training.course import CONTEXT, Course
from nextgpt_chat.training.dialogue_examples import Example, batches, examples
from nextgpt_chat.training.embedded_pairs import embed as embed_media
from nextgpt_chat.training.left_out import left_out
from nextgpt_chat.training.loop import Losses, fit, processes
from nextgpt_chat.training.pairs import Pair
from nextgpt_chat.training.sharding import frozen, place
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
from nextgpt_chat.training.taking_places import take_places
from nextgpt_chat.weights import load_into

log = logging.getLogger(__name__)

RATE, BATCH = 5e-4, 4
"""Of the paper, for each GPU."""
PROMPTS = ("chat", "vicuna")
"""In which a medium that is shown is one embedding of ImageBind."""
WEIGHTS = {"video": 2.0}
"""Of the distances in the loss, by kind, where they are not 1, as in the authors' code."""
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
    linear = checkpoint.input_projection == "linear" or (not checkpoint.input_tokens and checkpoint.input_projection != "own")
    if checkpoint.prompt not in PROMPTS or not linear:
        raise InputError(
            f"{checkpoint.title} cannot be taught so. Accepted is a model with the prompt 'chat' or 'vicuna', without towers of its own, and "
            "with a linear input projection or none."
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
        states = base.get_decoder()(inputs_embeds=read, attention_mask=batch["mask"], use_cache=False).last_hidden_state
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
            losses[f"{kind} distance"] = distance_between(self.signals[kind](at.float(), own.float()), group["wanted"])
        # Several processes add up their gradients, and each must have one of every weight.
        nothing = sum((0.0 * weight.sum() for module in unused for weight in module.parameters()), words.new_zeros(()))
        weighted = [WEIGHTS.get(name.removesuffix(" distance"), 1.0) * loss for name, loss in losses.items()]
        return {
            "loss": torch.stack(weighted).sum() + nothing,
            **{name: loss.detach() for name, loss in losses.items()},
        }


def size(checkpoint: Checkpoint, told: Sequence[Sequence[Turn]], course: Course) -> Size:
    """What it takes to learn from dialogues, if all their replies can be learnt from."""
    language = without_weights(checkpoint)
    whole, config = count([language]), language.config
    with torch.device("meta"):
        seen, made = _projections(checkpoint, config.hidden_size)
        encoder = ImageBind(read_config(checkpoint.part("imagebind"))) if seen is not None else None
        tuned = _with_lora(without_weights(checkpoint), _lora(checkpoint))
    learning = [parameter for parameter in tuned.parameters() if parameter.requires_grad]
    trained = sum(parameter.numel() for parameter in learning) + count([made, *([seen] if seen is not None else [])])
    every = [(turn.role, medium) for turns in told for turn in turns for medium in turn.media]
    shown = {medium.sha256 for role, medium in every if role == "user" and medium.kind in checkpoint.input_tokens}
    captions = {
        (medium.kind, medium.caption) for role, medium in every if role == "assistant" and medium.kind in checkpoint.signals
    }
    disk = sum(embedded(checkpoint.signals[kind].queries, checkpoint.signals[kind].width) for kind, _ in captions)
    encoders = [2 * text_encoders(checkpoint, kind) for kind in {kind for kind, _ in captions}]
    if encoder is not None and shown:
        disk += 4 * encoder.config.embedding * len(shown)
        encoders.append(4 * count([encoder]))
    return Size(
        trained,
        whole + trained + frozen_parameters(checkpoint, projections=False),
        memory=on_each(language, trained, course),
        activations=activations(language, course.batch, CONTEXT),
        encoders=max(encoders, default=0),
        steps=course.plan(sum(len(turns) // 2 for turns in told)).steps,
        disk=disk,
        written=4 * trained,
    )


def _lora(checkpoint: Checkpoint) -> LoraConfig:
    """Of the LoRA that is there, and learns on, or of a new one."""
    if not checkpoint.lora:
        return LoraConfig(**LORA)
    found: LoraConfig = LoraConfig.from_pretrained(checkpoint.lora)
    found.inference_mode = False
    return found


def _projections(checkpoint: Checkpoint, hidden: int) -> tuple[LinearProjection | None, nn.ModuleDict]:
    """Those that the checkpoint has, with weights that are still to be read: for what is shown, and by kind for what is made."""
    seen = LinearProjection(read_config(checkpoint.part("imagebind")).embedding, hidden) if checkpoint.input_tokens else None
    shapes = checkpoint.signals.items()
    made = {kind: OutputProjection(hidden, queries=one.queries, width=one.width, **checkpoint.projection) for kind, one in shapes}
    return seen, nn.ModuleDict(made)


def train(checkpoint: Checkpoint, told: Sequence[Sequence[Turn]], course: Course) -> int:
    """Trains and writes the LoRA and the projections into the checkpoint's folder; returns from how many replies. A LoRA that is there already
    learns on. An interrupted run goes on."""
    check(checkpoint)
    run = course.run
    device = processes().device
    language = frozen(checkpoint, lora=False)
    form = form_of(checkpoint, language, lambda _: 1)
    found = examples(told, form, checkpoint, CONTEXT)
    if processes().is_main_process:
        claim(run, "\n".join([checkpoint.revision(), course.told, *(f"{one.ids} {one.shown} {one.made}" for one in found)]))
    processes().wait_for_everyone()
    media, wanted = _compute(checkpoint, told, found, run)
    found = [one for one in found if all(sha256 in media for _, sha256 in one.shown)]
    if not found:
        raise InputError("None of the files that are shown can be read.")
    torch.manual_seed(course.seed)
    seen, made = _projections(checkpoint, language.hidden)
    if seen is not None:
        load_into(seen, checkpoint.part("input_projection.safetensors"), device)
    if checkpoint.signals:
        load_into(made, checkpoint.part("output_projections.safetensors"), device)
    model = Instructed(_with_lora(language.model, checkpoint.lora or LoraConfig(**LORA)), seen, made)
    place(language, course.shared, model)
    plan, make = course.plan(len(found)), batches(found, form, media, wanted, course.batch)
    trained = fit(model, plan, make, lambda module, rows: module(rows), run, course.seed)
    if processes().is_main_process:
        _write(checkpoint, trained, run)
    processes().wait_for_everyone()
    return len(found)


def _with_lora(language: PreTrainedModel, found: LoraConfig | Path) -> PeftModel:
    """The language model with a LoRA that learns, in float32, new or read from a folder; everything else is frozen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT asks Transformers by a name that is being renamed
        if isinstance(found, Path):
            return PeftModel.from_pretrained(language, found, is_trainable=True)
        return get_peft_model(language, found)


def _compute(
    checkpoint: Checkpoint, told: Sequence[Sequence[Turn]], found: Sequence[Example], run: Path
) -> tuple[dict[str, np.ndarray], dict[tuple[str, str], np.ndarray]]:
    """What ImageBind makes of the media that are shown, by their `sha256`, and the decoders' text encoders of captions, by kind and caption."""
    needed = {sha256 for one in found for _, sha256 in one.shown}
    every: dict[str, Media] = {
        medium.sha256: medium for turns in told for turn in turns for medium in turn.media if medium.sha256 in needed
    }
    media: dict[str, np.ndarray] = {}
    if every:
        encoder = checkpoint.part("imagebind")
        pairs = [Pair(medium.kind, medium.path, sha256) for sha256, medium in sorted(every.items())]
        read = embed_media(
            pairs, read_config(encoder), lambda: ImageBind.from_pretrained(encoder).eval().to(processes().device), run / "shown"
        )
        if read.skipped:
            log.info("%s", left_out("files could not be read, and the replies that speak of them are left out", read.skipped))
        media = {pair.caption: read.files[place] for pair, place in zip(read.pairs, read.places, strict=True)}
    wanted: dict[tuple[str, str], np.ndarray] = {}
    for kind in checkpoint.signals:
        captions = sorted({caption for one in found for of, _, caption in one.made if of == kind})
        if captions:
            decoder = checkpoint.part(f"{kind}_decoder")
            made = embed_captions(captions, decoder, run / kind)
            short = pipeline_class(decoder) == THE_PAPERS["audio"] and not checkpoint.decoding[kind].unit_prompt
            scale = made.vectors.shape[-1] ** -0.5  # to length 1, as the published projection writes them
            for caption, vector in zip(captions, made.vectors, strict=True):  # of which all others stay on disk
                wanted[kind, caption] = scale * vector if short else vector
    return media, wanted


def _write(checkpoint: Checkpoint, trained: nn.Module, run: Path) -> None:
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
    take_places(checkpoint.folder, {"lora.new": "lora", **{f"{name}.new": f"{name}.safetensors" for name in fresh}}, run)
    read_checkpoint(checkpoint.folder)
