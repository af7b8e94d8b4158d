"""ImageBind's text tower as the text encoder of a Stable Diffusion pipeline.

The published systems are built the same way: ImageBind-huge and Stable Diffusion 2 share one CLIP text tower. Only the names of the
weights differ, and this module knows both.
"""

import torch
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from nextgpt_chat.encode.imagebind import TEXT, ImageBind


def clip_text_model(imagebind: ImageBind, blocks: int, length: int, begin: int, end: int, pad: int) -> CLIPTextModel:
    """A CLIP text model for prompts of `length` tokens with the weights of the first `blocks` blocks of `imagebind`'s text tower.

    The last norm follows whichever block is the last one, as in Stable Diffusion 2, which leaves out one block.
    """
    config = imagebind.config
    trunk = config.trunks[TEXT]
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=config.vocabulary,
            hidden_size=trunk.width,
            intermediate_size=4 * trunk.width,
            num_hidden_layers=blocks,
            num_attention_heads=trunk.heads,
            max_position_embeddings=length,
            hidden_act="gelu",
            layer_norm_eps=1e-6,
            bos_token_id=begin,
            eos_token_id=end,
            pad_token_id=pad,
            projection_dim=config.embedding,
        )
    )
    has_prefix = any(name.startswith("text_model.") for name in model.state_dict())
    weights = {("text_model." if has_prefix else "") + name: tensor for name, tensor in _renamed(imagebind, blocks, length).items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or [name for name in missing if not name.endswith("position_ids")]:
        raise ValueError(f"the text tower does not fit CLIP: missing {missing}, unexpected {unexpected}")
    return model.eval()


def _renamed(imagebind: ImageBind, blocks: int, length: int) -> dict[str, Tensor]:
    source = imagebind.state_dict()
    front, head = f"modality_preprocessors.{TEXT}.", f"modality_heads.{TEXT}."
    weights = {
        "embeddings.token_embedding.weight": source[front + "token_embedding.weight"],
        "embeddings.position_embedding.weight": source[front + "pos_embed"][0, :length],
        "final_layer_norm.weight": source[head + "norm.weight"],
        "final_layer_norm.bias": source[head + "norm.bias"],
    }
    for i in range(blocks):
        old, new = f"modality_trunks.{TEXT}.blocks.{i}.", f"encoder.layers.{i}."
        for kind in ("weight", "bias"):
            query, key, value = source[f"{old}attn.in_proj_{kind}"].chunk(3)
            weights[f"{new}self_attn.q_proj.{kind}"] = query
            weights[f"{new}self_attn.k_proj.{kind}"] = key
            weights[f"{new}self_attn.v_proj.{kind}"] = value
            weights[f"{new}self_attn.out_proj.{kind}"] = source[f"{old}attn.out_proj.{kind}"]
            weights[f"{new}layer_norm1.{kind}"] = source[f"{old}norm_1.{kind}"]
            weights[f"{new}layer_norm2.{kind}"] = source[f"{old}norm_2.{kind}"]
            weights[f"{new}mlp.fc1.{kind}"] = source[f"{old}mlp.fc1.{kind}"]
            weights[f"{new}mlp.fc2.{kind}"] = source[f"{old}mlp.fc2.{kind}"]
    return {name: tensor.detach().clone() for name, tensor in weights.items()}


@torch.no_grad()
def prompt_embeddings(model: CLIPTextModel, ids: Tensor) -> Tensor:
    """Token ids [B, L] -> prompt embeddings [B, L, D], the tensor that a Stable Diffusion pipeline calls `prompt_embeds`."""
    return model(input_ids=ids).last_hidden_state
