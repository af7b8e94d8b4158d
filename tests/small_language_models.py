"""Language models of Transformers' own classes, small and with random weights, saved as the hub serves them, each with a template of its kind."""

from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
}
MODELS = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "mistral": (MistralConfig, MistralForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}
LLAMA = (
    "<|begin|>{% for m in messages %}<|header|>{{ m['role'] }}<|/header|>\n\n{{ m['content'] | trim }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|header|>assistant<|/header|>\n\n{% endif %}"
)
MISTRAL = (
    "<|begin|>{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}"
    "{% endif %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]{% else %} {{ m['content'] }}<|end|>{% endif %}{% endfor %}"
)
QWEN = (
    "{% for m in messages %}<|header|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|header|>assistant\n{% if enable_thinking is defined and not enable_thinking %}"
    "<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
PADDING = 16
"""Embeddings behind those of the tokenizer, as the published models have some."""
TEMPLATES = {"llama": LLAMA, "mistral": MISTRAL, "qwen2": QWEN, "qwen3": QWEN}
"""Short ones of the kinds of those families: with a place for instructions, and Mistral's without."""
SPECIAL = ["<|begin|>", "<|end|>", "<|header|>", "<|/header|>", "[INST]", "[/INST]", "<|stop|>"]


def chat_tokenizer(family: str, more: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    """Letters of ASCII, so that whatever is written can be read again; special tokens, and `more` of them."""
    alphabet = [*map(chr, range(33, 127)), "\u0120", "\u010a"]  # the last two are the space and the line break
    backend = Tokenizer(models.BPE({token: number for number, token in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (*SPECIAL, *more)])
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|begin|>",
        eos_token="<|end|>",
        pad_token="<|end|>",
        extra_special_tokens=[token for token in (*SPECIAL, *more) if token not in ("<|begin|>", "<|end|>")],
    )
    made.chat_template = TEMPLATES[family]
    return made


def save_language_model(family: str, folder: Path, more: tuple[str, ...] = (), shard: str = "5GB") -> None:
    """A model of that family, always with the same weights, in `folder`."""
    config, model = MODELS[family]
    tokenizer = chat_tokenizer(family, more)
    torch.manual_seed(3)
    made = model(
        config(vocab_size=len(tokenizer) + PADDING, bos_token_id=None, eos_token_id=tokenizer.eos_token_id, **SIZES)
    ).eval()
    made.generation_config.eos_token_id = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|stop|>")]
    made.save_pretrained(folder, max_shard_size=shard)
    tokenizer.save_pretrained(folder)
