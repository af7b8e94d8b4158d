"""What tests start in two processes: all three alignments, with a language model that both hold together (`shared`) or each whole (`whole`).

python -m torch.distributed.run --nproc-per-node 2 -m tests.training.two_processes FOLDER shared
"""

import sys
from pathlib import Path

import torch
from torch.distributed.tensor import DTensor

from nextgpt_chat.checkpoint import read_checkpoint
from nextgpt_chat.reason import chat_prompt
from nextgpt_chat.settings import Settings
from nextgpt_chat.training import any_decode, any_encode, any_instruct
from nextgpt_chat.training.course import Course
from nextgpt_chat.training.mosit_reader import read_dialogues
from nextgpt_chat.training.pairs import read_pairs
from nextgpt_chat.training.sharding import frozen, layers, recompute, share
from tests.any_parts import PROJECTION

# The small tokenizer writes letter by letter, so more letters fit, and the instructions have fewer.
any_instruct.CONTEXT, any_decode.PROJECTION = 600, PROJECTION
chat_prompt.ASK, chat_prompt.SHOW = "{names}: {tags}", "{}"


def halves(folder: Path) -> None:
    """Each process holds half of every layer, and what comes out is what came out of the whole."""
    language = frozen(read_checkpoint(folder), lora=False)
    read = torch.randn(1, 6, language.hidden, generator=torch.Generator().manual_seed(1), requires_grad=True)

    def states() -> torch.Tensor:
        found: torch.Tensor = language.model.get_decoder()(inputs_embeds=read).last_hidden_state
        return found

    def gradient(found: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(found.square().sum(), read)[0]

    def check_halves() -> None:
        parts = [parameter for layer in layers(language.model) for parameter in layer.parameters()]
        assert all(isinstance(part, DTensor) for part in parts)
        assert sum(part.to_local().numel() for part in parts) == whole / 2

    before = states()
    wanted = gradient(before)
    whole = sum(parameter.numel() for layer in layers(language.model) for parameter in layer.parameters())
    share(language)
    for again in range(3):
        if again == 2:
            recompute(language.model)
        found = states()
        check_halves()  # a layer that was computed is given back at once
        torch.testing.assert_close((found, gradient(found)), (before, wanted))
        check_halves()
    assert not isinstance(language.model.get_output_embeddings().weight, DTensor)


def main() -> None:
    folder, shared = Path(sys.argv[1]), sys.argv[2] == "shared"
    made = {stage: read_checkpoint(folder / stage) for stage in ("encode", "decode", "instruct")}

    def course(stage: str) -> Course:
        return Course(folder / "run" / stage, epochs=4, batch=2, rate=1e-2, seed=1, shared=shared)

    if shared:
        halves(made["decode"].folder)
    pairs = read_pairs([folder / "pairs.json"])
    told = read_dialogues(folder, None, Settings())
    any_encode.train(made["encode"], made["encode"].part("imagebind"), pairs, course("encode"))
    any_decode.train(made["decode"], "image", [pair.caption for pair in pairs], course("decode"))
    any_instruct.train(made["instruct"], told, course("instruct"))


if __name__ == "__main__":
    main()
