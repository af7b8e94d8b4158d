"""Language models of Transformers' own classes, small and with random weights, saved as the hub serves them, each with a template of its kind."""

import json
from functools import partial
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2_5OmniConfig,
    Qwen2_5OmniForConditionalGeneration,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
    Qwen2VLImageProcessorPil,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
    WhisperFeatureExtractor,
)

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
MODELS = {
    "mixtral": (partial(MixtralConfig, num_local_experts=4), MixtralForCausalLM),
    "qwen2_moe": (partial(Qwen2MoeConfig, shared_expert_intermediate_size=16, **EXPERTS), Qwen2MoeForCausalLM),
    "qwen3_moe": (partial(Qwen3MoeConfig, **EXPERTS), Qwen3MoeForCausalLM),
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
RELATED = {"mixtral": "mistral", "qwen2_moe": "qwen2", "qwen3_moe": "qwen3"}
"""Kinds that have the template of another one."""
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
    made.chat_template = TEMPLATES[RELATED.get(family, family)]
    return made


OMNI = ("<|vision_bos|>", "<|IMAGE|>", "<|vision_eos|>", "<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>", "<|VIDEO|>")
"""Special tokens of an omni model."""


def save_omni(folder: Path, whole: bool = False) -> None:
    """A model that sees and hears by itself; `whole` with the description of what speaks, as it is published."""
    tokenizer = chat_tokenizer("qwen2", OMNI)
    names = dict(zip(OMNI, tokenizer.convert_tokens_to_ids(list(OMNI)), strict=True))
    torch.manual_seed(4)
    config = Qwen2_5OmniThinkerConfig(
        text_config={
            **SIZES,
            "vocab_size": len(tokenizer) + PADDING,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [1, 1, 2]},
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": None,
            "pad_token_id": None,
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "patch_size": 14,
            "out_hidden_size": 32,
            "fullatt_block_indexes": [0],
        },
        audio_config={
            "num_mel_bins": 128,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 16,
            "d_model": 16,
            "output_dim": 32,
            "n_window": 100,
        },
        image_token_id=names["<|IMAGE|>"],
        audio_token_id=names["<|AUDIO|>"],
        video_token_id=names["<|VIDEO|>"],
        image_token_index=names["<|IMAGE|>"],
        audio_token_index=names["<|AUDIO|>"],
        video_token_index=names["<|VIDEO|>"],
        vision_start_token_id=names["<|vision_bos|>"],
        vision_end_token_id=names["<|vision_eos|>"],
        audio_start_token_id=names["<|audio_bos|>"],
        audio_end_token_id=names["<|audio_eos|>"],
    )
    made = Qwen2_5OmniThinkerForConditionalGeneration(config).eval()
    for name, parameter in made.named_parameters():
        if parameter.dim() > 1 and "embed" not in name:  # so large that positions and media make a difference
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    made.generation_config.eos_token_id = tokenizer.eos_token_id
    if whole:
        full = Qwen2_5OmniForConditionalGeneration(Qwen2_5OmniConfig(thinker_config=config.to_dict(), enable_audio_output=False))
        full.thinker.load_state_dict(made.state_dict())
        full.save_pretrained(folder)
    else:
        made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    described = {**Qwen2VLImageProcessorPil().to_dict(), **WhisperFeatureExtractor(feature_size=128).to_dict()}
    described |= {"image_processor_type": "Qwen2VLImageProcessor", "feature_extractor_type": "WhisperFeatureExtractor"}
    described.pop("processor_class", None)
    (folder / "preprocessor_config.json").write_text(json.dumps(described, default=str), encoding="utf-8")


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
