"""What tests start in two processes: alignments whose language model both hold together (`shared`) or each whole (`whole`), and `share` itself."""

import sys
from pathlib import Path

import torch
from torch.distributed.tensor import DTensor

from nextgpt_chat.checkpoint import read_checkpoint
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.reason import chat_prompt
from nextgpt_chat.settings import Settings
from nextgpt_chat.training import any_decode, any_encode, any_instruct
from nextgpt_chat.training.mosit_reader import read_dialogues
from nextgpt_chat.training.pairs import read_pairs
from nextgpt_chat.training.sharding import frozen, layers, share
from tests.any_parts import PROJECTION

# The small tokenizer writes letter by letter, so more letters fit, and the instructions have fewer.
any_instruct.CONTEXT, any_decode.PROJECTION = 600, PROJECTION
chat_prompt.ASK, chat_prompt.SHOW = "{names}: {tags}", "{}"


def halves(folder: Path) -> None:
    """Each process holds half of every layer, and what comes out is what came out of the whole."""
    language = frozen(read_checkpoint(folder), lora=False, in_main_memory=True)
    read = torch.randn(1, 6, language.hidden, generator=torch.Generator().manual_seed(1), requires_grad=True)

    def states() -> tuple[torch.Tensor, torch.Tensor]:
        found = language.model.get_decoder()(inputs_embeds=read).last_hidden_state
        (gradient,) = torch.autograd.grad(found.square().sum(), read)
        return found, gradient

    before = states()
    whole = sum(parameter.numel() for layer in layers(language.model) for parameter in layer.parameters())
    share(language)
    for _ in range(2):
        torch.testing.assert_close(states(), before)
        parts = [parameter for layer in layers(language.model) for parameter in layer.parameters()]
        assert all(isinstance(part, DTensor) for part in parts)
        assert sum(part.to_local().numel() for part in parts) == whole / 2
    assert not isinstance(language.model.get_output_embeddings().weight, DTensor)


def main() -> None:
    what, folder, shared = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "shared"
    checkpoint, run = read_checkpoint(folder / "checkpoint"), folder / "run"
    if what == "share":
        halves(checkpoint.folder)
    elif what == "encode":
        any_encode.train(checkpoint, checkpoint.part("imagebind"), read_pairs([folder / "pairs.json"]), run, 4, 2, 1e-2, 1, shared)
    elif what == "decode":
        captions = [pair.caption for pair in read_pairs([folder / "pairs.json"])]
        any_decode.train(checkpoint, "image", captions, run, any_decode.plan_for(4, 4, 2, 1e-2, 2), 2, 1, shared)
    else:
        told = read_dialogues(folder / "dialogues", ContentStore(folder / "media"), Settings())
        any_instruct.train(checkpoint, told, run, 4, 2, 1e-2, 1, shared)


if __name__ == "__main__":
    main()
