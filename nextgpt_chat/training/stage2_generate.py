"""Stage 2, decoding-side alignment (section 4.2 of the paper): signal tokens become something that the decoders can make.

The language model says a caption and adds a signal group; an output projection turns the group into the prompt embeddings that
the decoder's own text encoder gives that caption. The output projections and the rows of the signal tokens learn, in the embedding
table and in the output layer; everything else is frozen.
"""

import random
from pathlib import Path

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from nextgpt_chat.tinyland.requests import request
from nextgpt_chat.training.alignment import Alignment, TalkBatch, load_tools, save_weights
from nextgpt_chat.training.captioned import whole_words
from nextgpt_chat.training.loop import Plan, fit, processes
from nextgpt_chat.training.talk import odd_captions, some_medium

PLAN = Plan(steps=2500, rate=2e-3, decay=0.0, bf16=True, compiled="language_model.model", save_every=100)
ASKED, ODD = 40, 32
"""Requests in a batch, and captions with any words in the place of colours and things."""


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the output projections (`parts/stage2/output_projections.safetensors`) and the signal tokens (`parts/stage2/llm`)."""
    tools = load_tools(parts)
    model = Alignment(parts, LlamaForCausalLM.from_pretrained(parts / "llm"), tools.tokenizer)
    model.output_projections.requires_grad_(True)
    words = whole_words(tools.tokenizer)
    groups = tools.form.groups
    signals = [*(token for ids in groups.ids.values() for token in ids), groups.start]
    for layer in (model.language_model.get_input_embeddings(), model.language_model.get_output_embeddings()):
        renew_rows(layer.weight, signals)

    def batch(rng: random.Random) -> TalkBatch:
        asked = [request(some_medium(rng), rng) for _ in range(ASKED)]
        return tools.batch([[exchange] for exchange in (*asked, *odd_captions(rng, words, ODD))], rng)

    fit(model, PLAN.scaled(scale), batch, lambda module, rows: module(rows), folder, seed)
    if not processes().is_main_process:
        return
    save_weights(model.output_projections, parts / "stage2" / "output_projections.safetensors")
    model.language_model.save_pretrained(parts / "stage2" / "llm")


def renew_rows(weight: Tensor, rows: list[int]) -> None:
    """Sets `rows` to the mean row and lets only them learn."""
    with torch.no_grad():
        weight[rows] = weight.mean(dim=0) + 0.02 * torch.randn(len(rows), weight.shape[1])
    mask = torch.zeros(len(weight), 1)
    mask[rows] = 1
    weight.requires_grad_(True)
    weight.register_hook(lambda gradient: gradient * mask.to(gradient.device))
