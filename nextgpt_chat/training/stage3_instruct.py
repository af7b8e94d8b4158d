"""Stage 3, instruction tuning (section 4.3 and 5 of the paper): whole dialogues, with media in and out.

A LoRA on the language model and both projections learn together: when to make a medium and of which kind, what it shows after "make it blue",
what was asked about which one, and what lies outside.
"""

import random
from pathlib import Path

from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from nextgpt_chat.training.alignment import Alignment, TalkBatch, load_tools, load_weights, save_weights
from nextgpt_chat.training.captioned import whole_words
from nextgpt_chat.training.loop import Plan, fit, processes
from nextgpt_chat.training.talk import comparisons, dialogue_batch, odd_captions, odd_questions

PLAN = Plan(steps=900, rate=1.5e-3, decay=0.0, bf16=True)
EXCHANGES, DISTRACTED, COMPARISONS, ODD, ODD_CAPTIONS = 64, 32, 16, 20, 24
"""Exchanges of dialogues in a batch, of distracted ones, questions that ask for a comparison, questions about a thing or a colour whose
other half has no name, and captions with any words in the place of colours and things."""
LORA = LoraConfig(
    r=16,
    lora_alpha=32,
    lora_dropout=0.0,
    target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    task_type="CAUSAL_LM",
)


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains LoRA and projections and saves them below `parts/stage3`."""
    tools = load_tools(parts)
    base = LlamaForCausalLM.from_pretrained(parts / "stage2" / "llm")
    model = Alignment(parts, base, tools.tokenizer)
    load_weights(model.input_projection, parts / "stage1" / "input_projection.safetensors")
    load_weights(model.output_projections, parts / "stage2" / "output_projections.safetensors")
    tuned = get_peft_model(base, LORA)
    words = whole_words(tools.tokenizer)
    model.input_projection.requires_grad_(True)
    model.output_projections.requires_grad_(True)

    def batch(rng: random.Random) -> TalkBatch:
        drill = comparisons(rng, COMPARISONS) + odd_questions(rng, ODD) + odd_captions(rng, words, ODD_CAPTIONS)
        return tools.batch(dialogue_batch(rng, EXCHANGES, DISTRACTED, rng.sample(drill, len(drill))), rng)

    fit(model, PLAN.scaled(scale), batch, lambda module, rows: module(rows), folder, seed)
    if not processes().is_main_process:
        return
    out = parts / "stage3"
    save_weights(model.input_projection, out / "input_projection.safetensors")
    save_weights(model.output_projections, out / "output_projections.safetensors")
    tuned.save_pretrained(out / "lora")
