"""Estimates of memory, beside what a small language model really keeps for its backward pass."""

import torch
from torch.autograd.graph import saved_tensors_hooks
from transformers import LlamaConfig, LlamaForCausalLM

from nextgpt_chat.training.course import CONTEXT
from nextgpt_chat.training.sharding import recompute
from nextgpt_chat.training.size import activations

LAYERS, HIDDEN = 4, 64


def new_model(layers: int = LAYERS) -> LlamaForCausalLM:
    torch.manual_seed(1)
    config = LlamaConfig(vocab_size=100, hidden_size=HIDDEN, intermediate_size=172, num_hidden_layers=layers, num_attention_heads=4)
    return LlamaForCausalLM(config).eval().requires_grad_(False).to(torch.bfloat16)


def kept_and_gradient(language: LlamaForCausalLM) -> tuple[int, torch.Tensor]:
    """Bytes that are kept for the backward pass of one long example, and the gradient of what is read."""
    read = torch.randn(1, CONTEXT, HIDDEN, dtype=torch.bfloat16, generator=torch.Generator().manual_seed(2), requires_grad=True)
    weights = {parameter.data_ptr() for parameter in language.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        states = language.get_decoder()(inputs_embeds=read, use_cache=False).last_hidden_state
    (gradient,) = torch.autograd.grad(states.float().square().sum(), read)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values()), gradient


def test_with_recomputing_a_layer_keeps_what_it_reads_and_learns_the_same() -> None:
    language = new_model()
    whole, wanted = kept_and_gradient(language)
    recompute(language)
    kept, gradient = kept_and_gradient(language)
    states = 2 * CONTEXT * HIDDEN
    assert whole > 10 * LAYERS * states
    assert LAYERS * states <= kept < (LAYERS + 5) * states  # the last norm is not recomputed
    assert torch.equal(gradient, wanted)
    assert not any(module.training for layer in language.model.layers for module in layer.children())


def test_the_estimate_has_room_for_a_layer_that_is_recomputed() -> None:
    two, three = (kept_and_gradient(new_model(layers))[0] for layers in (2, 3))
    inner, said = three - two, 10
    language = new_model()
    estimate = activations(language, 1, said)
    states, logits = LAYERS * 2 * CONTEXT * HIDDEN, 14 * said * 100
    assert 1.5 * inner < estimate - states - logits < 3 * inner  # with gradients
    assert activations(language, 18, said) == 18 * estimate
