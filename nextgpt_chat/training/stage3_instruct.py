"""Stage 3, instruction tuning (section 4.3 and 5 of the paper): whole dialogues, with media in and out.

A LoRA on the language model and both projections learn together: when to make a medium and of which kind, what it shows after "make it blue",
what was asked about which one, and what lies outside. Dialogues that were read from files come beside Tinyland's own.
"""

import logging
import random
from collections.abc import Sequence
from pathlib import Path

from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from nextgpt_chat.conversation import Turn
from nextgpt_chat.errors import InputError
from nextgpt_chat.reason.prompt import PromptFormat
from nextgpt_chat.training.alignment import Alignment, TalkBatch, load_tools, load_weights, save_weights
from nextgpt_chat.training.captioned import whole_words
from nextgpt_chat.training.loop import Plan, fit, processes
from nextgpt_chat.training.talk import comparisons, dialogue_batch, fitting, mixes, odd_captions, odd_questions, read_batch

log = logging.getLogger(__name__)

PLAN = Plan(steps=1600, rate=1.5e-3, decay=0.0, bf16=True, compiled="language_model.model")
EXCHANGES, DISTRACTED, MIXES, COMPARISONS, ODD, ODD_CAPTIONS = 64, 32, 16, 12, 22, 16
"""Exchanges of dialogues in a batch, of distracted ones, exchanges with several media, questions that ask for a comparison, questions about a
thing or a colour whose other half has no name, and captions with any words in the place of colours and things."""
READ = 32
"""Exchanges in a batch of dialogues that were read from files, if there are any: a sixth of it, beside all of those above."""
LORA = LoraConfig(
    r=16,
    lora_alpha=32,
    lora_dropout=0.0,
    target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    task_type="CAUSAL_LM",
)


def train(folder: Path, parts: Path, seed: int, scale: float, told: Sequence[Sequence[Turn]] = ()) -> None:
    """Trains LoRA and projections on Tinyland and the dialogues `told`, and saves them below `parts/stage3`.

    Raises `InputError` if dialogues were told and none fits into the language model's context.
    """
    tools = load_tools(parts)
    base = LlamaForCausalLM.from_pretrained(parts / "stage2" / "llm")
    read = _readable(told, tools.form, base.config.max_position_embeddings)
    model = Alignment(parts, base, tools.tokenizer)
    load_weights(model.input_projection, parts / "stage1" / "input_projection.safetensors")
    load_weights(model.output_projections, parts / "stage2" / "output_projections.safetensors")
    tuned = get_peft_model(base, LORA)
    words = whole_words(tools.tokenizer)
    model.input_projection.requires_grad_(True)
    model.output_projections.requires_grad_(True)

    def batch(rng: random.Random) -> TalkBatch:
        drill = mixes(rng, MIXES) + comparisons(rng, COMPARISONS)
        drill += odd_questions(rng, ODD) + odd_captions(rng, words, ODD_CAPTIONS)
        dialogues = dialogue_batch(rng, EXCHANGES, DISTRACTED, rng.sample(drill, len(drill)))
        return tools.batch(dialogues, rng, read_batch(rng, read, READ, len(dialogues[0])))

    fit(model, PLAN.scaled(scale), batch, lambda module, rows: module(rows), folder, seed)
    if not processes().is_main_process:
        return
    out = parts / "stage3"
    save_weights(model.input_projection, out / "input_projection.safetensors")
    save_weights(model.output_projections, out / "output_projections.safetensors")
    tuned.save_pretrained(out / "lora")


def _readable(told: Sequence[Sequence[Turn]], form: PromptFormat, context: int) -> list[Sequence[Turn]]:
    """What of the dialogues the language model can read at once; the log says how much that is."""
    read = fitting(told, form, context)
    if told:
        cut = sum(map(len, told)) - sum(map(len, read))
        log.info(
            "%d of %d dialogues are read; %d turns are left out: they lie beyond %d tokens", len(read), len(told), cut, context
        )
    if told and not read:
        raise InputError(
            f"None of the {len(told)} dialogues begins with a message and a reply of at most {context} tokens together."
        )
    return read
