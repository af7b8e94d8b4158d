"""A checkpoint in the layout of the later code, of small width, with random weights, and what its grouping projection computes by plain means.

Nothing here is shared with the converter: names and shapes are written down from the published code, and the grouping from the paper of GroupViT
(arXiv 2202.11094).
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import sentencepiece
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from nextgpt_chat.convert.write import Sources
from tests.convert.official import SMALL, make

NAMES = [*(f"<image_{i:02}>" for i in range(4)), *(f"<video_{i:02}>" for i in range(24)), *(f"<audio_{i:02}>" for i in range(8))]
LINEAR = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
INNER, LAYERS, RANK, ALPHA = 48, 2, 4, 8


@dataclass(frozen=True)
class Large:
    """Sizes of the later code."""

    hidden: int = 4096
    embedding: int = 1024
    width: int = 512
    inner: int = 512
    depth: int = 4
    vocabulary: int = 32_036
    outputs: tuple[tuple[str, int, int], ...] = (("img", 77, 1024), ("vid", 77, 1024), ("aud", 1, 512))


TINY = Large(SMALL.hidden, SMALL.embedding, 32, 16, 2, 0, (("img", 16, 128), ("vid", 16, 128), ("aud", 1, 64)))


def linear(name: str, out: int, into: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def mlp(name: str, width: int, inner: int, out: int) -> dict[str, tuple[int, ...]]:
    return linear(f"{name}.fc1", inner, width) | linear(f"{name}.fc2", out, inner)


def attention(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {
        key: shape
        for part in ("q_proj", "k_proj", "v_proj", "proj")
        for key, shape in linear(f"{name}.{part}", width, width).items()
    }


def grouping(size: Large) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the input projection."""
    d, p = size.width, "mm_input_projector."
    found = linear(f"{p}in_fc", d, size.embedding) | linear(f"{p}out_fc", size.hidden, d) | norm(f"{p}norm", d)
    for stage, (depth, groups) in enumerate(((6, 64), (3, 8), (3, 0))):
        for number in range(depth):
            b = f"{p}layers.{stage}.blocks.{number}."
            found |= (
                norm(f"{b}norm1", d) | norm(f"{b}norm2", d) | {f"{b}attn.qkv.weight": (3 * d, d)} | linear(f"{b}attn.proj", d, d)
            )
            found |= mlp(f"{b}mlp", d, 4 * d, d)
        if groups:
            a = f"{p}layers.{stage}.downsample."
            found |= {f"{p}layers.{stage}.group_token": (1, groups, d)}
            for name in (
                "norm_tokens",
                "norm_post_tokens",
                "norm_x",
                "norm_new_x",
                "pre_assign_attn.norm_post",
                "pre_assign_attn.norm2",
            ):
                found |= norm(a + name, d)
            found |= mlp(f"{a}mlp_inter", groups, d // 2, groups) | attention(f"{a}pre_assign_attn.attn", d)
            found |= mlp(f"{a}pre_assign_attn.mlp", d, 4 * d, d) | attention(f"{a}assign", d) | mlp(f"{a}mlp_channels", d, 4 * d, d)
    return found | norm(f"{p}layers.1.group_projector.0", d) | mlp(f"{p}layers.1.group_projector.1", 64, d // 2, 8)


def outputs(size: Large) -> dict[str, tuple[int, ...]]:
    """Names and shapes of output projections, embedding table and head."""
    h, d = size.hidden, size.inner
    found: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (size.vocabulary, h), "lm_head.weight": (size.vocabulary, h)}
    for name, queries, width in size.outputs:
        p = f"mm_output_{name}_projector."
        found |= linear(f"{p}in_fc", d, h) | linear(f"{p}out_fc", width, d) | {f"{p}query_embs": (1, queries, d)}
        for side, attentions, norms in (("encoder", ["self_attn"], 2), ("decoder", ["self_attn", "multihead_attn"], 3)):
            for layer in range(size.depth):
                b = f"{p}tfm.{side}.layers.{layer}."
                for one in attentions:
                    found |= {f"{b}{one}.in_proj_weight": (3 * d, d), f"{b}{one}.in_proj_bias": (3 * d,)} | linear(
                        f"{b}{one}.out_proj", d, d
                    )
                found |= linear(f"{b}linear1", 4 * d, d) | linear(f"{b}linear2", d, 4 * d)
                for number in range(1, norms + 1):
                    found |= norm(f"{b}norm{number}", d)
            found |= norm(f"{p}tfm.{side}.norm", d)
    return found


def drawn(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Random weights, norms near 1."""
    return {
        name: torch.randn(shape) / math.sqrt(shape[-1] if len(shape) > 1 else 64)
        + (("norm" in name or "group_projector.0" in name) and name.endswith("weight"))
        for name, shape in shapes.items()
    }


def make_later(folder: Path, split: bool = True) -> tuple[Sources, dict[str, Tensor], dict[str, Tensor]]:
    """Everything that is converted, in `folder`; the weights, and those of the LoRA. `split` puts the projections into files of their own."""
    sources, _ = make(folder)
    official, base = folder / "later", folder / "vicuna"
    official.mkdir()
    tokenizer = (sources.official / "tokenizer.model").read_bytes()
    count = len(sentencepiece.SentencePieceProcessor(model_proto=tokenizer))
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=count,
        hidden_size=TINY.hidden,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        max_position_embeddings=512,
    )
    llama = LlamaForCausalLM(config).half()
    llama.save_pretrained(base)
    (base / "tokenizer.model").write_bytes(tokenizer)
    size = replace(TINY, vocabulary=count + len(NAMES))
    weights = drawn(grouping(size) | outputs(size))
    own = llama.get_input_embeddings().weight.detach().float()
    weights["embed_tokens.weight"][:count] = own + 0.1 * own.std() * torch.randn_like(own)
    weights = {name: tensor.half() for name, tensor in weights.items()}
    states, lora = llama.state_dict(), {}
    for layer in range(LAYERS):
        for name in LINEAR:
            out, into = states[f"model.layers.{layer}.{name}.weight"].shape
            beginning = f"base_model.model.model.layers.{layer}.{name}.lora_"
            lora |= {
                f"{beginning}A.weight": (torch.randn(RANK, into) / 6).half(),
                f"{beginning}B.weight": (torch.randn(out, RANK) / 6).half(),
            }
    save_file(lora, official / "adapter_model.safetensors")
    targets = [name.rsplit(".", 1)[1] for name in LINEAR]
    (official / "adapter_config.json").write_text(
        json.dumps({"r": RANK, "lora_alpha": ALPHA, "target_modules": targets, "peft_type": "LORA"})
    )
    (official / "added_tokens.json").write_text(json.dumps({name: count + number for number, name in enumerate(NAMES)}))
    seen = {name: tensor for name, tensor in weights.items() if name.startswith("mm_input")}
    made = {name: tensor for name, tensor in weights.items() if name not in seen}
    if split:
        torch.save({f"model.{name}": tensor for name, tensor in seen.items()}, official / "mm_input_projector.bin")
        torch.save(
            {f"model.{name}" if "lm_head" not in name else name: tensor for name, tensor in made.items()},
            official / "mm_output_projector.bin",
        )
    else:
        torch.save(
            {f"base_model.model.model.{name}": tensor for name, tensor in weights.items()}, official / "non_lora_trainables.bin"
        )
    return replace(sources, official=official, base=base), weights, lora


class PlainGrouping:
    """The input projection as the paper of GroupViT describes its stages, in evaluation: hard assignment."""

    def __init__(self, weights: dict[str, Tensor], heads: int = 8) -> None:
        self.w = {name.removeprefix("mm_input_projector."): tensor.float() for name, tensor in weights.items()}
        self.heads = heads

    def __call__(self, patches: Tensor) -> Tensor:
        x, groups = self._linear(patches, "in_fc"), None
        for stage, depth in enumerate((6, 3, 3)):
            x, groups = self._stage(x, groups, f"layers.{stage}.", depth)
        return self._linear(self._norm(x, "norm"), "out_fc")

    def _stage(self, x: Tensor, before: Tensor | None, p: str, depth: int) -> tuple[Tensor, Tensor | None]:
        token = self.w.get(f"{p}group_token")
        groups = None
        if token is not None:
            groups = token.expand(len(x), -1, -1)
            if f"{p}group_projector.0.weight" in self.w:
                assert before is not None
                groups = groups + self._mixed(self._norm(before, f"{p}group_projector.0"), f"{p}group_projector.1")
        count = x.shape[1]
        both = x if groups is None else torch.cat([x, groups], 1)
        for number in range(depth):
            b = f"{p}blocks.{number}."
            q, k, v = (self._norm(both, f"{b}norm1") @ self.w[f"{b}attn.qkv.weight"].T).chunk(3, -1)
            both = both + self._linear(self._attend(q, k, v), f"{b}attn.proj")
            both = both + self._mlp(self._norm(both, f"{b}norm2"), f"{b}mlp")
        if groups is None:
            return both, None
        x, groups = both[:, :count], both[:, count:]
        return self._gathered(x, groups, f"{p}downsample."), groups

    def _gathered(self, x: Tensor, groups: Tensor, p: str) -> Tensor:
        x, centres = self._norm(x, f"{p}norm_x"), self._norm(groups, f"{p}norm_tokens")
        centres = self._norm(self._mixed(centres, f"{p}mlp_inter"), f"{p}norm_post_tokens")
        a = f"{p}pre_assign_attn."
        q, k, v = (self._linear(source, f"{a}attn.{part}_proj") for source, part in ((centres, "q"), (x, "k"), (x, "v")))
        centres = centres + self._linear(self._attend(q, k, v), f"{a}attn.proj")
        centres = self._norm(centres + self._mlp(self._norm(centres, f"{a}norm2"), f"{a}mlp"), f"{a}norm_post")
        q, k, v = (self._linear(source, f"{p}assign.{part}_proj") for source, part in ((centres, "q"), (x, "k"), (x, "v")))
        nearest = (q @ k.mT / math.sqrt(q.shape[-1])).argmax(1)  # of each patch the group
        assigned = functional.one_hot(nearest, q.shape[1]).mT.float()
        mean = (assigned / (assigned.sum(-1, keepdim=True) + 1)) @ v
        new = self._linear(mean, f"{p}assign.proj") + centres
        return new + self._mlp(self._norm(new, f"{p}norm_new_x"), f"{p}mlp_channels")

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (one.unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in (q, k, v))
        return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return functional.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def _mlp(self, x: Tensor, name: str) -> Tensor:
        return self._linear(functional.gelu(self._linear(x, f"{name}.fc1")), f"{name}.fc2")

    def _mixed(self, x: Tensor, name: str) -> Tensor:
        return self._mlp(x.mT, name).mT
