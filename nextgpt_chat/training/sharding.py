"""A frozen language model to learn around: whole in every process, or held by several together (FSDP, arXiv 2304.11277), of which each has a part of
every layer, and gathers a layer while it is computed.

Accelerate's own way asks for everything that is sharded to be prepared with what learns, and for GPUs. Here what learns is small, whole in every
process and Accelerate's; only frozen layers are shared out, by PyTorch, on processors as on GPUs.
"""

import os

import torch
from accelerate.utils import parse_flag_from_env
from accelerate.utils.memory import clear_device_cache
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.errors import InputError
from nextgpt_chat.reason.language_model import LanguageModel
from nextgpt_chat.training.loop import processes

FSDP = "ACCELERATE_USE_FSDP"
"""What `accelerate launch` sets for a configuration with FSDP."""
NO_OTHERS = (
    "One process alone has nobody to share the language model with. Start several: accelerate launch --module nextgpt_chat align …"
)


def check_shared(shared: bool) -> None:
    """Raises `InputError` where something is to be `shared` and there is one process."""
    if shared and processes().num_processes == 1:
        raise InputError(NO_OTHERS)


def configured() -> bool:
    """Whether Accelerate's configuration asks for FSDP. What is frozen is shared out then; the flag is taken away, with which Accelerate would divide what
    learns as well."""
    asked: bool = parse_flag_from_env(FSDP)
    os.environ.pop(FSDP, None)
    return asked


def precision() -> torch.dtype:
    """In which frozen parts are computed."""
    return torch.float32 if processes().device.type == "cpu" else torch.bfloat16


def frozen(checkpoint: Checkpoint, lora: bool) -> LanguageModel:
    """The language model of a checkpoint, with its LoRA merged if `lora`: frozen, in main memory."""
    language = LanguageModel(checkpoint.part("llm"), checkpoint.lora if lora else None, torch.device("cpu"), precision())
    language.model.requires_grad_(False)
    return language


def place(language: LanguageModel, shared: bool, around: nn.Module | None = None) -> None:
    """Brings it from main memory to where it is computed, whole, or `shared` out (see `share`), when all that was there before is done."""
    clear_device_cache(garbage_collection=True)
    if shared:
        share(language, around)
    else:
        language.device = processes().device
        language.model.to(language.device)
    if language.device.type != "cpu":
        recompute(language.model)


def recompute(language: PreTrainedModel) -> None:
    """Gradient checkpointing: of each layer what it reads is kept, and all else is computed again in the backward pass."""
    language.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    for layer in layers(language):
        layer.training = True  # that is what it asks for; what is in it stays in evaluation mode


def share(language: LanguageModel, around: nn.Module | None = None) -> None:
    """Shares the frozen weights of its layers out over all processes, all of which call this; what learns in them stays whole, and so do embeddings
    and head. `around` is a module with the language model in it that is going to be trained: its gradients are added up without those weights."""
    device = processes().device
    mesh = init_device_mesh(device.type, (processes().num_processes,))
    for layer in layers(language.model):
        learning = {parameter for parameter in layer.parameters() if parameter.requires_grad}
        fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=learning)
    whole = around or language.model
    for tensor in (*whole.parameters(), *whole.buffers()):
        if not isinstance(tensor, DTensor):
            tensor.data = tensor.data.to(device)
    language.device = device
    parts = [name for name, parameter in whole.named_parameters() if isinstance(parameter, DTensor)]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(whole, parts)


def layers(language: PreTrainedModel) -> nn.ModuleList:
    """Its blocks."""
    found: nn.ModuleList = language.get_decoder().layers
    return found


def held(language: PreTrainedModel, several: int) -> int:
    """Parameters that each of `several` processes holds of a language model that they share, with a layer that it has gathered."""
    each = [sum(parameter.numel() for parameter in layer.parameters()) for layer in layers(language)]
    whole = sum(parameter.numel() for parameter in language.parameters())
    return whole - sum(each) + sum(each) // several + (max(each) if several > 1 else 0)
