"""Several processes hold one frozen language model: what they learn is what they learn with a whole one each."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from nextgpt_chat.checkpoint import Checkpoint, read_checkpoint
from nextgpt_chat.cli import main
from nextgpt_chat.training.sharding import held
from tests.conftest import CHECKPOINT
from tests.training.launching import in_two_processes
from tests.training.test_any_instruct import checkpoint, data  # noqa: F401  # fixtures

LEARNT = {
    "encode": ("input_projection.safetensors",),
    "decode": ("output_projections.safetensors", "llm/model.safetensors"),
    "instruct": ("input_projection.safetensors", "output_projections.safetensors", "lora/adapter_model.safetensors"),
}


def aligned(made: Checkpoint, shown: Path, folder: Path, how: str) -> dict[str, dict[str, Tensor]]:
    """What all three stages have written, each over a copy of a checkpoint."""
    shutil.copytree(shown, folder)
    told = [{"caption": f"all {name}", "image_name": f"{name}.png"} for name in ("red", "blue")] * 2
    (folder / "pairs.json").write_text(json.dumps(told), encoding="utf-8")
    for stage in LEARNT:
        shutil.copytree(made.folder, folder / stage, symlinks=True)
    blind = json.loads((folder / "encode" / "nextgpt.json").read_text(encoding="utf-8"))
    blind |= {"inputs": ["text"], "input_tokens": {}, "input_projection": "grouped"}  # what encode is for
    (folder / "encode" / "nextgpt.json").write_text(json.dumps(blind), encoding="utf-8")
    in_two_processes("tests.training.two_processes", folder, how, timeout=300)
    return {stage: weights(read_checkpoint(folder / stage), LEARNT[stage]) for stage in LEARNT}


def weights(made: Checkpoint, names: Iterable[str]) -> dict[str, Tensor]:
    """Of those files that are there."""
    return {
        f"{name} {key}": tensor for name in names if made.part(name).is_file() for key, tensor in load_file(made.part(name)).items()
    }


def test_what_is_learnt_together_is_what_is_learnt_with_a_whole_model_each(
    checkpoint: Checkpoint,  # noqa: F811
    data: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    """And before, that each process holds half of every layer: see `two_processes.halves`."""
    whole, shared = (aligned(checkpoint, data, tmp_path / how, how) for how in ("whole", "shared"))
    for stage, names in LEARNT.items():
        torch.testing.assert_close(shared[stage], whole[stage], rtol=1e-4, atol=1e-5)
        before = weights(checkpoint, names)
        new = [name for name, tensor in whole[stage].items() if name not in before or not torch.equal(before[name], tensor)]
        assert {name.split()[0] for name in new} == set(names)


def test_what_each_holds_is_counted_with_the_layer_that_is_gathered() -> None:
    with torch.device("meta"):
        language = LlamaForCausalLM(LlamaConfig())
    whole, layer = sum(parameter.numel() for parameter in language.parameters()), 202_383_360
    assert held(language, 1) == whole == 6_738_415_616
    assert held(language, 8) == whole - 32 * layer + 4 * layer + layer


def test_one_process_alone_is_told_that_it_has_nobody_to_share_with() -> None:
    with pytest.raises(SystemExit, match="Start several: accelerate launch"):
        main(["align", "instruct", str(CHECKPOINT), "--shard"])
