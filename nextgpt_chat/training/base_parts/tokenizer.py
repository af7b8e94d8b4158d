"""The tokenizer: byte-level BPE, trained on Tinyland talk. Any text can be written in it, since every byte has a token."""

import random
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from nextgpt_chat.reason.signal_tokens import BEGIN, END, PAD, special_tokens
from nextgpt_chat.tinyland.dialogues import dialogue
from nextgpt_chat.training.loop import processes

VOCABULARY = 1024
DIALOGUES = 20_000
SIGNALS = {"image": ("IMG", 4), "video": ("VID", 6), "audio": ("AUD", 3)}
"""Prefix and number of the signal tokens. The paper has 4, 24 and 8; captions of at most eleven words need fewer."""


def train(folder: Path, parts: Path, seed: int, scale: float) -> None:
    """Trains the tokenizer and saves it as `parts/tokenizer`."""
    if not processes().is_main_process:
        return
    rng = random.Random(seed)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=special_tokens(SIGNALS),
        show_progress=False,
    )
    lines = (
        line
        for _ in range(max(100, round(DIALOGUES * scale)))
        for exchange in dialogue(rng, 2)
        for line in (exchange.ask, exchange.reply)
    )
    tokenizer.train_from_iterator(lines, trainer)
    # A decoder prompt is begun and ended by the tokenizer itself, as Stable Diffusion pipelines expect; dialogues are not.
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A {END}", special_tokens=[(token, tokenizer.token_to_id(token)) for token in (BEGIN, END)]
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, pad_token=PAD).save_pretrained(
        parts / "tokenizer"
    )
