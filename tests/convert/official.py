"""A published checkpoint of small width, with random weights under the published names, and what it is computed from by plain means.

Nothing here is shared with the converter: names and shapes are written down from the published code.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import sentencepiece
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from nextgpt_chat.convert.write import Sources
from tests.conftest import CHECKPOINT
from tests.encode.published_weights import NARROW, published_shapes, random_weights

TOKENS = ["<Img>", "</Img>", *(f"[IMG{i}]" for i in range(4)), *(f"[VID{i}]" for i in range(24)), *(f"[AUD{i}]" for i in range(8))]
WORDS = 400
"""Tokens of the tokenizer before those."""


LLAMA, IMAGEBIND = 6_738_726_912, 1_073_097_730
"""Parameters of the published language model with its new tokens, and of the encoder without the towers that are not used."""
DECODERS = {
    "image": {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480},
    "video": {"unet": 1_411_233_860, "vae": 83_653_863, "text_encoder": 340_387_840},
    "audio": {"unet": 739_139_080, "vae": 83_653_863, "text_encoder": 125_302_016},
}
"""Of the published decoders, counted on the classes of Diffusers and Transformers."""


@dataclass(frozen=True)
class Size:
    """What is small here and large in the published model."""

    hidden: int = 4096
    layers: int = 32
    rank: int = 32
    embedding: int = 1024
    inner: int = 512
    depth: int = 4
    vocabulary: int = 32_038
    outputs: tuple[tuple[str, int, int], ...] = (("", 77, 768), ("_video", 77, 1024), ("_audio", 1, 512))
    """Suffix, queries and features of each output projection."""


SMALL = Size(32, 2, 4, 6, 16, 2, WORDS + len(TOKENS), (("", 16, 128), ("_video", 16, 128), ("_audio", 1, 64)))
"""Fits the narrow encoder of other tests and the decoders of the embedded model."""
SMALLER = {"image": {"size": 80}, "video": {"size": 80, "width": 96, "frames": 4, "min_frames": 4}, "audio": {"seconds": 1.0}}
"""Sizes that the decoders of the embedded model make in a test's time."""


def shapes(size: Size) -> dict[str, tuple[int, ...]]:
    """Every published name and its shape."""
    h, r, d = size.hidden, size.rank, size.inner
    all_of: dict[str, tuple[int, ...]] = {"llama_proj.weight": (h, size.embedding), "llama_proj.bias": (h,)}
    llama = "llama_model.base_model.model."
    all_of |= {f"{llama}model.embed_tokens.weight": (size.vocabulary, h), f"{llama}lm_head.weight": (size.vocabulary, h)}
    for layer in range(size.layers):
        for part in "qkvo":
            prefix = f"{llama}model.layers.{layer}.self_attn.{part}_proj."
            all_of |= {f"{prefix}lora_A.default.weight": (r, h), f"{prefix}lora_B.default.weight": (h, r)}
    for suffix, queries, width in size.outputs:
        prefix = f"gen_text_hidden_fcs{suffix}.0."
        all_of |= {f"{prefix}fc.weight": (d, h), f"{prefix}fc.bias": (d,), f"{prefix}query_embs": (1, queries, d)}
        all_of |= {f"{prefix}model.weight": (width, d), f"{prefix}model.bias": (width,)}
        for side, attentions, norms in (("encoder", ["self_attn"], 2), ("decoder", ["self_attn", "multihead_attn"], 3)):
            for layer in range(size.depth):
                block = f"{prefix}tfm.{side}.layers.{layer}."
                for one in attentions:
                    all_of |= {f"{block}{one}.in_proj_weight": (3 * d, d), f"{block}{one}.in_proj_bias": (3 * d,)}
                    all_of |= {f"{block}{one}.out_proj.weight": (d, d), f"{block}{one}.out_proj.bias": (d,)}
                all_of |= {f"{block}linear1.weight": (4 * d, d), f"{block}linear1.bias": (4 * d,)}
                all_of |= {f"{block}linear2.weight": (d, 4 * d), f"{block}linear2.bias": (d,)}
                all_of |= {f"{block}norm{n}.{w}": (d,) for n in range(1, norms + 1) for w in ("weight", "bias")}
            all_of |= {f"{prefix}tfm.{side}.norm.{w}": (d,) for w in ("weight", "bias")}
    return all_of


def make(folder: Path) -> tuple[Sources, dict[str, Tensor]]:
    """Everything that is converted, in `folder`, and the published weights."""
    official, base = folder / "official", folder / "base"
    official.mkdir(parents=True)
    corpus = folder / "corpus.txt"
    corpus.write_text(
        "### Human: a small red bird\n### Assistant: two big blue boats at night\n###\n" * 40 + "".join(map(chr, range(32, 127)))
    )
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(official / "tokenizer"),
        vocab_size=WORDS,
        model_type="bpe",
        byte_fallback=True,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    count = len(sentencepiece.SentencePieceProcessor(str(official / "tokenizer.model")))
    size = Size(**{**vars(SMALL), "vocabulary": count + len(TOKENS)})
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=count + 1,
        hidden_size=size.hidden,
        intermediate_size=48,
        num_hidden_layers=size.layers,
        num_attention_heads=4,
        max_position_embeddings=512,
    )
    llama = LlamaForCausalLM(config).half()
    llama.save_pretrained(base)
    weights = {
        name: torch.randn(shape) / math.sqrt(shape[-1] if len(shape) > 1 else 64) + (".norm" in name and name.endswith("weight"))
        for name, shape in shapes(size).items()
    }
    own = llama.get_input_embeddings().weight.detach().float()[:count]
    weights["llama_model.base_model.model.model.embed_tokens.weight"][:count] = own + 0.1 * own.std() * torch.randn_like(own)
    weights = {name: tensor.half() for name, tensor in weights.items()}
    torch.save(weights, official / "pytorch_model.pt")
    (official / "added_tokens.json").write_text(json.dumps({name: count + i for i, name in enumerate(TOKENS)}))
    torch.save(random_weights(published_shapes(NARROW, size.embedding, 30)), folder / "imagebind_huge.pth")
    decoders = {kind: CHECKPOINT / f"{kind}_decoder" for kind in ("image", "video", "audio")}
    return Sources(official, base, folder / "imagebind_huge.pth", decoders), weights


def plain_llama(base: Path, weights: dict[str, Tensor]) -> LlamaForCausalLM:
    """The language model as the published code has it: embeddings and head replaced, every LoRA added to what it stands beside."""
    llama = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32)
    prefix = "llama_model.base_model.model."
    state = llama.state_dict()
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        state[name] = weights[prefix + name].float()
    for layer in range(SMALL.layers):
        for part in "qkvo":
            name = f"model.layers.{layer}.self_attn.{part}_proj."
            a, b = (weights[f"{prefix}{name}lora_{side}.default.weight"].float() for side in "AB")
            state[f"{name}weight"] = state[f"{name}weight"] + b @ a  # alpha and rank are both 32
    llama.resize_token_embeddings(len(state["lm_head.weight"]), mean_resizing=False)
    llama.load_state_dict(state)
    return llama.eval()


class PlainProjection(nn.Module):
    """An output projection as the published code defines it."""

    def __init__(self, suffix: str, queries: int, width: int) -> None:
        super().__init__()
        d = SMALL.inner
        self.fc, self.model = nn.Linear(SMALL.hidden, d), nn.Linear(d, width)
        self.tfm = nn.Transformer(d, 4, SMALL.depth, SMALL.depth, 4 * d, dropout=0.0, batch_first=True, norm_first=True)
        self.query_embs = nn.Parameter(torch.zeros(1, queries, d))
        self.prefix = f"gen_text_hidden_fcs{suffix}.0."

    def load(self, weights: dict[str, Tensor]) -> "PlainProjection":
        self.load_state_dict({n.removeprefix(self.prefix): t.float() for n, t in weights.items() if n.startswith(self.prefix)})
        return self.eval()

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        x = self.fc(states + embeddings)
        out: Tensor = self.model(self.tfm(x, self.query_embs.repeat(len(x), 1, 1)))
        return out
