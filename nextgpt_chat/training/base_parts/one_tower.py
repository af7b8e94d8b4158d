"""One tower of ImageBind goes on alone, bound to frozen towers, as ImageBind binds what it hears (arXiv 2305.05665, section 3.2)."""

import torch
from torch import Tensor, nn

from nextgpt_chat.encode.imagebind import TRUNKS
from nextgpt_chat.training.base_parts.imagebind import BINARY_WEIGHT, BindingLoss
from nextgpt_chat.training.loop import Losses

Batch = dict[str, Tensor]


class TowerLoss(nn.Module):
    """`BindingLoss` with everything frozen but the tower of media of one kind, its captioner and the bias."""

    def __init__(self, binding: BindingLoss, kind: str) -> None:
        super().__init__()
        self.kind, self.trunk = kind, TRUNKS[kind]
        self.binding = binding.requires_grad_(False)
        imagebind = binding.imagebind
        for modules in (imagebind.modality_preprocessors, imagebind.modality_trunks, imagebind.modality_heads, binding.captioners):
            modules[self.trunk].requires_grad_(True)
        binding.bias.requires_grad_(True)

    def forward(self, batch: Batch) -> Losses:
        """`media` [B, ...] of the tower's kind, their captions as `ids` [B, L] with the end positions `last`, and `others` [C, E], what
        a frozen tower made of media of another kind.

        `told` [B, B] and `bound` [C, B] say what belongs together; `asked` and `bind` of the same shapes are false where a caption or
        another medium tells what has no name in a medium: neither true nor false. `canonical` [B, LENGTH] are the canonical captions.
        """
        media = self.binding.imagebind.encode_media(batch["media"], self.kind).float()
        with torch.no_grad():
            texts = self.binding.imagebind.encode_text(batch["ids"], batch["last"]).float()
        told, missed, false = self.binding.questions(media, texts, batch["told"], batch["asked"])
        bound, unbound, _ = self.binding.questions(batch["others"], media, batch["bound"], batch["bind"])
        words, misread = self.binding.caption(self.trunk, media, batch["canonical"])
        loss = BINARY_WEIGHT * (told + bound) + words
        return {"loss": loss, "misread": misread, "missed": missed, "false": false, "unbound": unbound}
