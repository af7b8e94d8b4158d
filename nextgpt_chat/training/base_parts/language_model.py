"""The language model: a small Llama, trained from nothing on Tinyland talk.

It learns words only. Where a medium stands in a dialogue it reads the medium's caption, and its replies are text alone: seeing
and drawing are what the three stages of alignment add.
"""

import random
from pathlib import Path

from torch import Tensor, nn
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from nextgpt_chat.reason.prompt import PromptFormat
from nextgpt_chat.training.base_parts.tokenizer import SIGNALS
from nextgpt_chat.training.captioned import whole_words
from nextgpt_chat.training.loop import Losses, Plan, fit, processes
from nextgpt_chat.training.talk import (
    captions_in_slots,
    comparisons,
    dialogue_batch,
    eager_attention,
    mixes,
    next_token_losses,
    odd_captions,
    pad,
    reply_weights,
    turns,
    weighted_mean,
)

PLAN = Plan(steps=4000, rate=2e-3, decay=0.05, bf16=True, compiled="")
EXCHANGES, DISTRACTED, MIXES, COMPARISONS, REPEATED = 64, 40, 16, 12, 28
"""Exchanges of dialogues in a batch, of distracted ones, exchanges with several media, questions that ask for a comparison, and captions with
any words to repeat: what repeats any word carries colour and thing each for itself, and so do the signal tokens later."""
OTHER_WEIGHT = 0.1
"""Weight of the words of people; those of replies weigh 1 or more."""


def new_language_model(vocabulary: int) -> LlamaForCausalLM:
    """Llama's architecture at 2.5 million parameters."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=192,
            num_hidden_layers=5,
            intermediate_size=512,
            num_attention_heads=6,
            num_key_value_heads=6,
            max_position_embeddings=512,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    )


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the language model and saves it with its tokenizer as `parts/llm`."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer")
    form = PromptFormat(tokenizer, SIGNALS, input_tokens=dict.fromkeys(SIGNALS, 1))
    model = new_language_model(len(tokenizer))
    eager_attention(model)
    words = whole_words(tokenizer)

    def batch(rng: random.Random) -> dict[str, Tensor]:
        drill = mixes(rng, MIXES) + comparisons(rng, COMPARISONS) + odd_captions(rng, words, REPEATED)
        dialogues = dialogue_batch(rng, EXCHANGES, DISTRACTED, rng.sample(drill, len(drill)))
        told = [form.conversation(turns(exchanges, rng, draws=False)) for exchanges in dialogues]
        padded = pad([captions_in_slots(prompt, form) for prompt in told], form.pad)
        weights = reply_weights(padded, form, chooses=False)  # where a reply ends here, a medium follows later
        return {"ids": padded.ids, "mask": padded.mask, "answer": padded.answer, "weights": weights}

    def losses(module: nn.Module, rows: dict[str, Tensor]) -> Losses:
        logits = module(input_ids=rows["ids"], attention_mask=rows["mask"]).logits
        tokens = next_token_losses(logits, rows["ids"])
        reply = weighted_mean(tokens, rows["weights"])
        other = weighted_mean(tokens, (rows["mask"] * ~rows["answer"]).float())
        return {"loss": reply + OTHER_WEIGHT * other, "reply": reply.detach(), "other": other.detach()}

    fit(model, PLAN.scaled(scale), batch, losses, folder, seed)
    if not processes().is_main_process:
        return
    model.save_pretrained(parts / "llm")
    tokenizer.save_pretrained(parts / "llm")
