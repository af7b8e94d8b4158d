"""The language model of a checkpoint, with its LoRA merged: reads embeddings, writes tokens one by one.

It knows tokens, signal groups and the key-value cache. It knows no files of media, no decoders and no conversations.
"""

import warnings
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch
from accelerate import dispatch_model, infer_auto_device_map
from peft import PeftModel
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen2_5OmniThinkerForConditionalGeneration,
)

from nextgpt_chat.errors import Cancelled, SetupError
from nextgpt_chat.reason.signal_tokens import SignalGroups

OMNI = ("qwen2_5_omni", "qwen2_5_omni_thinker")
"""Kinds of models that see and hear by themselves: with what speaks, which is not used, and without."""
TOWERS = ("audio_tower", "visual")
"""Their parts that see and hear; each is on one device."""
FAMILIES = ("llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", *OMNI)
"""Kinds of models that can be read: a decoder over embeddings, whose states a head turns into logits with nothing in between."""


@dataclass(frozen=True)
class Word:
    """One token of text."""

    token: int


@dataclass(frozen=True)
class SignalGroup:
    """A complete signal group with what the output projection reads."""

    kind: str
    states: Tensor
    """Last hidden states at the group's tokens [1, count, H]."""
    embeddings: Tensor
    """Input embeddings of the group's tokens [1, count, H]."""
    start: bool = False
    """Whether the medium begins from an earlier one."""


class LanguageModel:
    """A causal language model that can be interrupted between any two tokens."""

    def __init__(
        self,
        folder: Path,
        lora: Path | None,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        rounded: str = "",
        divided: Mapping[torch.device, float] | None = None,
    ) -> None:
        """Loads the base model in `folder` and merges the adapter in `lora` into it; `rounded` is `int8` or `int4` if the weights of its
        layers are rounded then. It is on `device`, or `divided` among several, of each of which it takes so many bytes at most.

        Raises `SetupError` for a model of another family, for one that is not whole, and if the library for that is missing.
        """
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        family = config.model_type
        if family not in FAMILIES:
            raise SetupError(
                f"The language model in {folder} is of the kind '{family}'. These kinds can be used: {', '.join(FAMILIES)}."
            )
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        kind, special = (Qwen2_5OmniThinkerForConditionalGeneration, {}) if family in OMNI else (AutoModelForCausalLM, {})
        if family == OMNI[0]:  # of which what speaks is left where it is
            special = {"config": config.thinker_config, "key_mapping": {r"^thinker\.": ""}}
        model, found = kind.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype, output_loading_info=True, **special
        )
        if missing := sorted(found["missing_keys"]):  # which would be random numbers
            raise SetupError(
                f"The language model in {folder} lacks {len(missing)} of its weights, as {missing[0]}. Get the folder again."
            )
        there = model.get_input_embeddings().num_embeddings
        if len(self.tokenizer) > there:
            raise SetupError(
                f"The language model in {folder} has {there:,} embeddings, and its tokenizer {len(self.tokenizer):,} tokens. They do not belong together."
            )
        if lora:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # PEFT asks Transformers by a name that is being renamed
                model = PeftModel.from_pretrained(model, lora).merge_and_unload()
        if rounded:
            ROUNDINGS[rounded](model.get_decoder())
        self.model: PreTrainedModel = model.eval()
        self.device, self.divided = device, bool(divided)
        if divided:
            self._divide(divided)
        else:
            self.model.to(device)

    def to(self, device: torch.device) -> None:
        """Moves the weights; one that is divided among several devices stays there."""
        if not self.divided:
            self.model.to(device)

    def _divide(self, rooms: Mapping[torch.device, float]) -> None:
        """Puts layers on devices, one after the other; what is computed moves along with them, and `device` is where it begins."""
        devices = list(rooms)
        most: dict[int | str, int | str] = {i: int(room) for i, room in enumerate(rooms.values())}
        towers = {type(part).__name__ for name, part in self.model.named_children() if name in TOWERS}
        places = infer_auto_device_map(self.model, most, no_split_module_classes=[*(self.model._no_split_modules or ()), *towers])
        if wrong := set(places.values()).difference(most):
            raise SetupError(
                f"The language model does not fit {len(devices)} GPUs: some of it would be on {wrong}. Choose a smaller one."
            )
        self.model = dispatch_model(self.model, {name: devices[int(i)] for name, i in places.items()}, force_hooks=True)
        self.device = self.model.get_input_embeddings().weight.device

    @property
    def ends(self) -> list[int]:
        """Ids of the tokens at which the base model was taught to end; first the tokenizer's own, which ends a turn."""
        said = self.model.generation_config.eos_token_id
        named = said if isinstance(said, list) else [said]
        return list(dict.fromkeys(int(token) for token in (self.tokenizer.eos_token_id, *named) if token is not None))

    @property
    def hidden(self) -> int:
        """Features of an embedding."""
        return int(self.model.config.get_text_config().hidden_size)

    def embed(self, ids: list[int]) -> Tensor:
        """Token ids -> input embeddings [1, L, H]."""
        embedded: Tensor = self.model.get_input_embeddings()(torch.tensor([ids], device=self.device))
        return embedded

    @torch.inference_mode()
    def write(
        self,
        prompt: Tensor,
        groups: SignalGroups,
        stops: Sequence[Sequence[int]],
        most: int,
        temperature: float,
        generator: torch.Generator,
        cancelled: Callable[[], bool],
        banned: frozenset[int] = frozenset(),
        said: Iterable[int] = (),
        kinds: Collection[str] = (),
        positions: Tensor | None = None,
    ) -> Generator[Word | SignalGroup]:
        """Continues `prompt` [1, L, H] by at most `most` tokens, until it has written one of the sequences `stops`, of which nothing is returned.

        Once the first token of a signal group is chosen, the rest of the group is forced in one pass; behind the start token, a group
        follows. Tokens that can only stand inside a group, and those in `banned`, are never chosen. `said` are choices that were made
        before (of a signal group, its first token): they are taken first, so that a reply is read exactly as it was written. If `kinds` are
        named, groups of other kinds are never chosen, and one of each that is missing follows where the text ends. Raises `Cancelled`
        as soon as `cancelled()` is true. `positions` [3, 1, P] are those of the first P embeddings in time, height and width, for a model
        that has such; all others count on from the largest.
        """
        read = _Reading(self.model, positions)
        missing = [kind for kind in groups.ids if kind in kinds]
        allowed = [groups.ids[kind][0] for kind in missing] or ([] if kinds else groups.first)
        first = torch.tensor(allowed, dtype=torch.long, device=self.device)
        others = set(groups.first).difference(allowed)
        forbidden = torch.tensor(sorted({*groups.never_first, *banned, *others}), dtype=torch.long, device=self.device)
        states = read(prompt)
        written, start, given = 0, False, iter(said)
        held: list[int] = []  # words that may be the beginning of a stop
        while written < most or missing:
            if cancelled():
                raise Cancelled
            token = next(given, None) if written < most else groups.ids[missing[0]][0]
            if token is None:
                logits = self.model.get_output_embeddings()(states[:, -1])[0].float().to(self.device)
                logits[forbidden] = float("-inf")
                if start:
                    logits = torch.full_like(logits, float("-inf")).index_copy_(0, first, logits[first])
                token = choose(logits, temperature, generator)
            stopped = next((len(stop) for stop in stops if [*held, token][-len(stop) :] == list(stop)), 0)
            if stopped:
                yield from map(Word, held[: len(held) + 1 - stopped])
                held = []
                if not missing:
                    return
                token = groups.ids[missing[0]][0]
            kind = groups.begun_by(token)
            if kind is None:
                start = token == groups.start
                if not start:
                    held.append(token)
                    sure = len(held) - _begun(held, stops)
                    yield from map(Word, held[:sure])
                    held = held[sure:]
                states = read(self.embed([token]))
                written += 1
            else:
                embeddings = self.embed(list(groups.ids[kind]))
                states = read(embeddings)
                missing = [other for other in missing if other != kind]
                yield from map(Word, held)
                held = []
                yield SignalGroup(kind, states, embeddings, start)
                start = False
                written += embeddings.shape[1]
        yield from map(Word, held)


class _Reading:
    """What a language model has read so far: its key-value cache, and where it stands."""

    def __init__(self, model: PreTrainedModel, positions: Tensor | None) -> None:
        self.decoder, self.cache = model.get_decoder(), DynamicCache(config=model.config)
        self.positions, self.read = positions, 0

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Last hidden states [1, N, H] of new positions; the cache grows by them."""
        where = {}
        if self.positions is not None:
            end = self.read + embeddings.shape[1]
            more = torch.arange(max(0, end - self.positions.shape[-1]), device=embeddings.device) + self.positions.max() + 1
            self.positions = torch.cat([self.positions, more.expand(3, 1, -1)], dim=-1)
            where, self.read = {"position_ids": self.positions[..., self.read : end]}, end
        states: Tensor = self.decoder(inputs_embeds=embeddings, cache=self.cache, use_cache=True, **where).last_hidden_state
        return states.to(embeddings.device)


def _to_eight_bits(decoder: PreTrainedModel) -> None:
    """Rounds the weights of all linear layers to 8 bits, with a scale for each row."""
    library = _library("torchao.quantization", "8 bits need the library torchao. Install it with: pip install -e '.[int8]'")
    library.quantize_(decoder, library.Int8WeightOnlyConfig())


def _to_four_bits(decoder: PreTrainedModel) -> None:
    """Rounds the weights of all linear layers to the 16 values of NF4, with a scale for each 64, as QLoRA does (arXiv 2305.14314); it happens when they
    are moved to where they are used."""
    library = _library("bitsandbytes", "4 bits need the library bitsandbytes. Install it with: pip install -e '.[int4]'")
    linear = [(name, module) for name, module in decoder.named_modules() if isinstance(module, torch.nn.Linear)]
    for name, module in linear:
        shape = (module.in_features, module.out_features, module.bias is not None)
        small = library.nn.Linear4bit(*shape, compute_dtype=module.weight.dtype, quant_type="nf4", device="meta")
        small.weight = library.nn.Params4bit(module.weight.data, requires_grad=False, quant_type="nf4")
        small.bias = module.bias
        decoder.set_submodule(name, small)


ROUNDINGS = {"int8": _to_eight_bits, "int4": _to_four_bits}
"""What rounds the layers of a language model."""


def _library(name: str, otherwise: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise SetupError(otherwise) from error


def _begun(tokens: list[int], stops: Sequence[Sequence[int]]) -> int:
    """How many of the last tokens may be the beginning of a stop."""
    longest = max(map(len, stops)) - 1
    return next((n for n in range(min(longest, len(tokens)), 0, -1) if any(list(stop[:n]) == tokens[-n:] for stop in stops)), 0)


def choose(logits: Tensor, temperature: float, generator: torch.Generator) -> int:
    """The most probable token at temperature 0, otherwise a draw from the softened distribution."""
    if temperature <= 0:
        return int(logits.argmax())
    probabilities = (logits / temperature).softmax(dim=-1).cpu()
    return int(torch.multinomial(probabilities, 1, generator=generator))
