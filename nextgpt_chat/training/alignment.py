"""The whole model as the three stages see it: media in, words and prompt embeddings out, with the losses of both.

The stages differ only in what they train and on which dialogues; this module computes the same thing for all of them.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase

from nextgpt_chat.encode.imagebind import VISION, ImageBind
from nextgpt_chat.encode.input_projection import InputProjection
from nextgpt_chat.generate.output_projection import OutputProjection
from nextgpt_chat.generate.text_encoder import prompt_embeddings
from nextgpt_chat.reason.interleave import interleave, signal_states
from nextgpt_chat.reason.prompt import PromptFormat
from nextgpt_chat.tinyland.captions import caption
from nextgpt_chat.tinyland.dialogues import Exchange
from nextgpt_chat.training.base_parts.image_diffusion import PROMPT_LENGTH, new_text_encoder
from nextgpt_chat.training.base_parts.tokenizer import IMAGE_SIGNAL
from nextgpt_chat.training.captioned import named_caption_batch, text_batch
from nextgpt_chat.training.loop import Losses
from nextgpt_chat.training.pictures import picture_batch
from nextgpt_chat.training.talk import eager_attention, next_token_losses, pad, reply_weights, turns, weighted_mean

INPUT_TOKENS = 9
"""Language-model positions of one picture: as many as its canonical caption has words."""
READING_WEIGHT = 5.0
"""Weight of the distance between projected pictures and the words of their captions."""
DRAWING_WEIGHT = 5.0
"""Weight of the distance between projected signals and the decoder's embeddings of a caption. The language model's LoRA has to serve it as
well as the words: at weight 1 fewer of the pairs that it never met arrive as what they are."""
PROJECTION = {"hidden": 128, "layers": 2, "heads": 4}
"""Shape of the output projection."""

TalkBatch = dict[str, Tensor]


@dataclass(frozen=True)
class Tools:
    """What turns dialogues into batches."""

    tokenizer: PreTrainedTokenizerBase
    form: PromptFormat

    def batch(self, dialogues: Sequence[Sequence[Exchange]], rng: random.Random) -> TalkBatch:
        """Dialogues as padded ids with the pictures that were shown and the prompts of those that were drawn."""
        prompts = [self.form.conversation(turns(exchanges, rng)) for exchanges in dialogues]
        padded = pad(prompts, self.form.pad)
        shown = [exchange.shown for exchanges in dialogues for exchange in exchanges if exchange.shown]
        unnamed = [exchange.unnamed for exchanges in dialogues for exchange in exchanges if exchange.shown]
        drawn = [caption(exchange.drawn) for exchanges in dialogues for exchange in exchanges if exchange.drawn]
        slots = [(row, slot.start) for row, prompt in enumerate(prompts) for slot in prompt.slots]
        groups = (padded.ids == self.form.groups.ids["image"][0]).nonzero()
        batch = {"ids": padded.ids, "mask": padded.mask, "weights": reply_weights(padded, self.form)}
        batch["slots"] = torch.tensor(slots).reshape(-1, 2)
        batch["groups"] = groups.reshape(-1, 2)
        batch["pixels"] = picture_batch(shown, rng, unnamed) if shown else torch.zeros(0, 3, 80, 80)
        batch["captions"] = (
            named_caption_batch(self.tokenizer, shown, unnamed, INPUT_TOKENS + 2)[:, 1:-1]
            if shown
            else torch.zeros(0, INPUT_TOKENS, dtype=torch.long)
        )
        batch["prompts"] = (
            text_batch(self.tokenizer, drawn, PROMPT_LENGTH)[0] if drawn else torch.zeros(0, PROMPT_LENGTH, dtype=torch.long)
        )
        return batch


def load_tools(parts: Path) -> Tools:
    """The tokenizer of the run and the prompt format on top of it."""
    tokenizer = AutoTokenizer.from_pretrained(parts / "tokenizer")
    return Tools(tokenizer, PromptFormat(tokenizer, {"image": IMAGE_SIGNAL}, INPUT_TOKENS))


class Alignment(nn.Module):
    """ImageBind, input projection, language model and output projection in one forward pass. Everything starts frozen."""

    def __init__(self, parts: Path, language_model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        self.imagebind = ImageBind.from_pretrained(parts / "imagebind")
        self.language_model = language_model
        eager_attention(language_model)
        hidden = language_model.config.hidden_size
        self.input_projection = InputProjection(self.imagebind.config.trunks[VISION].width, hidden, INPUT_TOKENS, ("image",))
        self.text_encoder = new_text_encoder(self.imagebind, tokenizer)
        self.output_projections = nn.ModuleDict(
            {"image": OutputProjection(hidden, queries=PROMPT_LENGTH, width=self.text_encoder.config.hidden_size, **PROJECTION)}
        )
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> "Alignment":
        """Frozen parts stay in evaluation mode."""
        super().train(mode)
        self.imagebind.eval()
        self.text_encoder.eval()
        return self

    def forward(self, batch: TalkBatch) -> Losses:
        """Cross-entropy on the model's own words, and two distances.

        On the encoding side, of projected pictures to the embeddings of their captions' words, in whose place they stand; on the decoding
        side, of projected signals to the decoder's embeddings of a caption.
        """
        language_model = self.language_model
        embeddings = language_model.get_input_embeddings()
        words = embeddings(batch["ids"])
        seen = words
        losses = {}
        if len(batch["pixels"]):
            with torch.no_grad():
                tokens = self.imagebind.image_tokens(batch["pixels"])
            projected = self.input_projection(tokens, "image")
            losses["reading"] = READING_WEIGHT * reading_distance(projected, batch["captions"], embeddings)
            seen = interleave(words, projected, *batch["slots"].T)
        states = language_model.model(inputs_embeds=seen, attention_mask=batch["mask"]).last_hidden_state
        logits = language_model.lm_head(states)
        losses["words"] = weighted_mean(next_token_losses(logits, batch["ids"]), batch["weights"])
        if len(batch["groups"]):
            made = self.project(states, words, batch["groups"])
            wanted = prompt_embeddings(self.text_encoder, batch["prompts"])
            losses["distance"] = DRAWING_WEIGHT * functional.mse_loss(made.float(), wanted.float())
        return {
            "loss": torch.stack(list(losses.values())).sum(),
            **{name: value.detach() for name, value in losses.items()},
        }

    def project(self, states: Tensor, words: Tensor, groups: Tensor) -> Tensor:
        """Prompt embeddings [N, queries, width] of the signal groups at (row, start) [N, 2]."""
        rows, starts = groups.T
        count = IMAGE_SIGNAL[1]
        made: Tensor = self.output_projections["image"](
            signal_states(states, rows, starts, count), signal_states(words, rows, starts, count)
        )
        return made


def reading_distance(projected: Tensor, captions: Tensor, embeddings: nn.Embedding) -> Tensor:
    """Mean squared distance of projected pictures [N, T, H] to the word embeddings of captions [N, T]; padding is not compared.

    It is 1 for words that are all alike. The language model has learnt what to say about a picture from captions in its place. What is
    near to their words it reads as words, each for itself, in pairs that it never met as well; left to the replies alone, a colour and
    a thing became one.
    """
    named = captions != embeddings.padding_idx
    distance = (projected - embeddings(captions)).square().mean(dim=-1)
    return (distance * named).sum() / named.sum() / embeddings.weight.var()


def save_weights(module: nn.Module, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """One module's weights as safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().to(dtype).contiguous() for name, tensor in module.state_dict().items()}, path)


def load_weights(module: nn.Module, path: Path) -> None:
    """What `save_weights` wrote; every key must be there."""
    module.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
