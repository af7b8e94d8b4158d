"""What an alignment takes, counted from configurations and the headers of files: nothing is loaded."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.generate.caption_embeddings import HEAVY
from nextgpt_chat.memory import parameters_in, weights_of
from nextgpt_chat.training.course import CONTEXT, Course
from nextgpt_chat.training.sharding import held


@dataclass(frozen=True)
class Size:
    """Of one run."""

    trained: int
    """Parameters that learn."""
    whole: int
    """All parameters of the model, encoder and decoders among them."""
    memory: int
    """Bytes on each GPU during the steps: the language model in bfloat16, or a process's share of it, and what learns with gradient and moments."""
    activations: int
    """Bytes on top of them, as `activations` estimates."""
    encoders: int
    """Bytes on each GPU before the steps: of the largest of the encoders whose embeddings are computed, which are there one at a time."""
    steps: int
    disk: int
    """Bytes in the folder of the run: what is embedded once."""
    written: int
    """Bytes in the folder of the model: what is written anew, beside the old until it is whole."""

    @property
    def state(self) -> int:
        """Bytes in the folder of the run, of what learns with its moments."""
        return 12 * self.trained


def count(modules: Iterable[nn.Module]) -> int:
    """Parameters of modules."""
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def without_weights(checkpoint: Checkpoint) -> PreTrainedModel:
    """The language model on the `meta` device."""
    config = AutoConfig.from_pretrained(checkpoint.part("llm"), local_files_only=True)
    with torch.device("meta"):
        language: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return language


def frozen_parameters(checkpoint: Checkpoint, projections: bool = True) -> int:
    """Parameters beside the language model that are frozen: of the encoder and the decoders that are there, and of the `projections` if they do not learn."""
    paths = [path for path in weights_of(checkpoint) if not path.startswith(("llm/", "lora/")) and (projections or "/" in path)]
    return sum(parameters_in(checkpoint.part(path)) for path in paths)


def on_each(language: PreTrainedModel, trained: int, course: Course) -> int:
    """`Size.memory`."""
    return 2 * held(language, course.sharing) + 16 * trained


def activations(language: PreTrainedModel, examples: int, said: int) -> int:
    """An estimate, from above, of what a GPU computes in, in bytes: `examples` as long as they can be, in which the language model chooses `said`
    tokens each.

    Each layer keeps what it reads, in bfloat16. One layer at a time has its inner tensors again, three of its feed-forward part and about ten as wide
    as an embedding, and a gradient of each. Logits are there in bfloat16, and three times in float32.
    """
    config = language.config.get_text_config()
    tokens, hidden = examples * CONTEXT, config.hidden_size
    experts = getattr(config, "num_experts_per_tok", None) or 1
    inner = 2 * (3 * experts * config.intermediate_size + 10 * hidden)
    return tokens * 2 * (config.num_hidden_layers * hidden + inner) + examples * said * config.vocab_size * 14


def text_encoders(checkpoint: Checkpoint, kind: str) -> int:
    """Parameters of those parts of a decoder that captions pass through."""
    folder = f"{kind}_decoder/"
    paths = [path for path in weights_of(checkpoint) if path.startswith(folder)]
    return sum(parameters_in(checkpoint.part(path)) for path in paths if path.split("/")[1] not in HEAVY)


def embedded(queries: int, width: int) -> int:
    """Bytes of the embeddings of a caption, which are kept in float16."""
    return 2 * queries * width
