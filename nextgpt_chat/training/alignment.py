"""The whole model as the three stages see it: media in, words and prompt embeddings out, with the losses of both.

The stages differ only in what they train and on which dialogues; this module computes the same thing for all of them.
"""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, ClapTextModelWithProjection, LlamaForCausalLM, PreTrainedTokenizerBase

from nextgpt_chat.conversation import Media, Turn
from nextgpt_chat.encode.imagebind import VISION, ImageBind, ImageBindConfig, read_config
from nextgpt_chat.encode.input_projection import InputProjection
from nextgpt_chat.encode.preprocessing import media_tensor
from nextgpt_chat.generate.output_projection import OutputProjection
from nextgpt_chat.generate.text_encoder import prompt_embeddings
from nextgpt_chat.reason.interleave import interleave, signal_states
from nextgpt_chat.reason.prompt import PromptFormat
from nextgpt_chat.tinyland.exchange import Exchange, Medium
from nextgpt_chat.tinyland.scene import Scene
from nextgpt_chat.training.base_parts import audio_diffusion, image_diffusion
from nextgpt_chat.training.base_parts.tokenizer import SIGNALS
from nextgpt_chat.training.captioned import canonical_captions, named_caption_batch, text_batch
from nextgpt_chat.training.loop import Losses
from nextgpt_chat.training.pictures import clip_batch, picture_batch
from nextgpt_chat.training.sounds import mel_batch
from nextgpt_chat.training.talk import eager_attention, next_token_losses, pad, reply_weights, turns, weighted_mean

INPUT_TOKENS = {"image": 9, "video": 11, "audio": 4}
"""Language-model positions of one medium: as many as its canonical caption has words."""
READING_WEIGHT = 5.0
"""Weight of the distance between projected pictures and the words of their captions."""
DRAWING_WEIGHT = 5.0
"""Weight of the distance between projected signals and the decoder's embeddings of a caption. The language model's LoRA has to serve it as
well as the words: at weight 1 fewer of the pairs that it never met arrive as what they are."""
PROJECTION = {"hidden": 128, "layers": 1, "heads": 4}
"""Shape of the output projections."""
QUERIES = {
    "image": (image_diffusion.PROMPT_LENGTH, 128),
    "video": (image_diffusion.PROMPT_LENGTH, 128),
    "audio": (1, audio_diffusion.WIDTH),
}
"""Length and width of the prompt embeddings of each decoder."""

TalkBatch = dict[str, Any]


@dataclass(frozen=True)
class Tools:
    """What turns dialogues into batches."""

    tokenizer: PreTrainedTokenizerBase
    form: PromptFormat
    encoder: ImageBindConfig

    def batch(self, dialogues: Sequence[Sequence[Exchange]], rng: random.Random, read: Sequence[Sequence[Turn]] = ()) -> TalkBatch:
        """Dialogues as padded ids with the media that were shown (`shown`) and the prompts of those that were made (`made`), by kind.

        Those of Tinyland come first, with media rendered anew; behind them those that were `read`, with media from their files.
        """
        told = [*(turns(exchanges, rng) for exchanges in dialogues), *read]
        prompts = [self.form.conversation(dialogue) for dialogue in told]
        padded = pad(prompts, self.form.pad)
        every = [exchange for exchanges in dialogues for exchange in exchanges]
        replies = [turn for dialogue in told for turn in dialogue if turn.role == "assistant"]
        batch: TalkBatch = {"ids": padded.ids, "mask": padded.mask, "weights": reply_weights(padded, self.form)}
        batch["shown"], batch["made"] = {}, {}
        for kind in INPUT_TOKENS:
            slots = [(row, slot) for row, prompt in enumerate(prompts) for slot in prompt.slots if slot.medium.kind == kind]
            if slots:
                drawn = [(medium, exchange.unnamed) for exchange in every for medium in exchange.shown if medium.kind == kind]
                files = [slot.medium for row, slot in slots if row >= len(dialogues)]
                starts = torch.tensor([(row, slot.start) for row, slot in slots])
                batch["shown"][kind] = self._shown(kind, drawn, files, rng) | {"slots": starts}
            captions = [medium.caption for turn in replies for medium in turn.media if medium.kind == kind]
            known = [caption for caption in captions if caption is not None]
            if known:
                ids, _ = text_batch(self.tokenizer, known, PROMPT_LENGTHS[kind])
                groups = (padded.ids == self.form.groups.ids[kind][0]).nonzero()
                batch["made"][kind] = {"ids": ids, "groups": groups[[caption is not None for caption in captions]]}
        return batch

    def _shown(
        self, kind: str, drawn: Sequence[tuple[Medium, Collection[str]]], files: Sequence[Media], rng: random.Random
    ) -> dict[str, Tensor]:
        """Tinyland's media, rendered, and behind them files, opened as in serving, with the words of their captions [N, T].

        Padding stands for what has no name and behind the last word, and for all words of a caption that is not canonical: they have no
        places of their own.
        """
        scenes, unnamed = [medium.scene for medium, _ in drawn], [names for _, names in drawn]
        captions = [*(medium.caption for medium, _ in drawn), *(medium.caption or "" for medium in files)]
        words = named_caption_batch(self.tokenizer, captions, [*unnamed, *[()] * len(files)], INPUT_TOKENS[kind] + 2, kind)[:, 1:-1]
        foreign = torch.tensor([*[False] * len(drawn), *(medium.caption not in canonical_captions(kind) for medium in files)])
        padding = (words == self.tokenizer.eos_token_id) | foreign[:, None]
        rendered = RENDERED[kind](scenes, rng, unnamed) if drawn else ()
        return {
            "media": torch.stack([*rendered, *(media_tensor(medium, self.encoder) for medium in files)]),
            "captions": words.masked_fill(padding, self.tokenizer.pad_token_id),
        }


RENDERED: dict[str, Callable[[list[Scene], random.Random, list[Collection[str]]], Tensor]] = {
    "image": picture_batch,
    "video": partial(clip_batch, frames=2),
    "audio": mel_batch,
}
"""What the encoder gets, by kind."""
PROMPT_LENGTHS = {
    "image": image_diffusion.PROMPT_LENGTH,
    "video": image_diffusion.PROMPT_LENGTH,
    "audio": audio_diffusion.PROMPT_LENGTH,
}


def load_tools(parts: Path) -> Tools:
    """The tokenizer of the run, the prompt format on top of it, and the shapes of what its encoder takes."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer")
    return Tools(tokenizer, PromptFormat(tokenizer, SIGNALS, INPUT_TOKENS), read_config(parts / "imagebind"))


class Alignment(nn.Module):
    """ImageBind, input projection, language model and output projections in one forward pass. Everything starts frozen."""

    def __init__(self, parts: Path, language_model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        self.imagebind = ImageBind.from_pretrained(parts / "imagebind")
        self.language_model = language_model
        eager_attention(language_model)
        hidden = language_model.config.hidden_size
        self.input_projection = InputProjection(self.imagebind.config.trunks[VISION].width, hidden, INPUT_TOKENS)
        self.text_encoder = image_diffusion.new_text_encoder(self.imagebind, tokenizer)
        self.audio_text_encoder = ClapTextModelWithProjection.from_pretrained(parts / "audio_decoder" / "text_encoder")
        self.output_projections = nn.ModuleDict(
            {
                kind: OutputProjection(hidden, queries=queries, width=width, **PROJECTION)
                for kind, (queries, width) in QUERIES.items()
            }
        )
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> "Alignment":
        """Frozen parts stay in evaluation mode."""
        super().train(mode)
        for part in (self.imagebind, self.text_encoder, self.audio_text_encoder):
            part.eval()
        return self

    def forward(self, batch: TalkBatch) -> Losses:
        """Cross-entropy on the model's own words, and two distances for each kind of medium.

        On the encoding side, of projected media to the embeddings of their captions' words, in whose place they stand; on the decoding
        side, of projected signals to the decoder's embeddings of a caption.
        """
        language_model = self.language_model
        embeddings = language_model.get_input_embeddings()
        words = embeddings(batch["ids"])
        seen = words
        losses = {}
        for kind, shown in batch["shown"].items():
            with torch.no_grad():
                tokens = self.imagebind.media_tokens(shown["media"], kind)
            projected = self.input_projection(tokens, kind)
            losses[f"reading_{kind}"] = READING_WEIGHT * reading_distance(projected, shown["captions"], embeddings)
            seen = interleave(seen, projected, *shown["slots"].T)
        states = language_model.model(inputs_embeds=seen, attention_mask=batch["mask"]).last_hidden_state
        logits = language_model.lm_head(states)
        losses["words"] = weighted_mean(next_token_losses(logits, batch["ids"]), batch["weights"])
        for kind, made in batch["made"].items():
            wanted = self.wanted(kind, made["ids"])
            distance = functional.mse_loss(self.project(kind, states, words, made["groups"]).float(), wanted.float())
            losses[f"distance_{kind}"] = DRAWING_WEIGHT * distance
        return {
            "loss": torch.stack(list(losses.values())).sum(),
            **{name: value.detach() for name, value in losses.items()},
        }

    @torch.no_grad()
    def wanted(self, kind: str, ids: Tensor) -> Tensor:
        """The prompt embeddings [N, queries, width] that a decoder's own text encoder gives captions [N, L].

        AudioLDM's is one vector of length 1; it is stretched so that its entries are as large as those of the others.
        """
        if kind != "audio":
            return prompt_embeddings(self.text_encoder, ids)
        embedded = self.audio_text_encoder(ids, ids != self.audio_text_encoder.config.pad_token_id).text_embeds
        return functional.normalize(embedded, dim=-1)[:, None] * embedded.shape[-1] ** 0.5

    def project(self, kind: str, states: Tensor, words: Tensor, groups: Tensor) -> Tensor:
        """Prompt embeddings [N, queries, width] of the signal groups at (row, start) [N, 2]."""
        rows, starts = groups.T
        count = SIGNALS[kind][1]
        made: Tensor = self.output_projections[kind](
            signal_states(states, rows, starts, count), signal_states(words, rows, starts, count)
        )
        return made


def reading_distance(projected: Tensor, captions: Tensor, embeddings: nn.Embedding) -> Tensor:
    """Mean squared distance of projected media [N, T, H] to the word embeddings of captions [N, T]; padding is not compared.

    It is 1 for words that are all alike, and 0 for padding alone. The language model has learnt what to say about a medium from captions
    in its place. What is near to their words it reads as words, each for itself, in pairs that it never met as well; left to the replies
    alone, a colour and a thing became one.
    """
    named = captions != embeddings.padding_idx
    distance = (projected - embeddings(captions)).square().mean(dim=-1)
    return (distance * named).sum() / named.sum().clamp(min=1) / embeddings.weight.var()


def save_weights(module: nn.Module, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """One module's weights as safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().to(dtype).contiguous() for name, tensor in module.state_dict().items()}, path)


def load_weights(module: nn.Module, path: Path) -> None:
    """What `save_weights` wrote; every key must be there."""
    module.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
