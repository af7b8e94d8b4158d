"""Several processes hold one frozen language model: what they learn is what they learn with a whole one each."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from nextgpt_chat.checkpoint import Checkpoint, read_checkpoint
from nextgpt_chat.cli import main
from nextgpt_chat.training.sharding import held
from tests.conftest import CHECKPOINT, ROOT
from tests.training.test_any_instruct import checkpoint, data  # noqa: F401  # fixtures

LEARNT = {
    "encode": ("input_projection.safetensors",),
    "decode": ("output_projections.safetensors", "llm/model.safetensors"),
    "instruct": ("input_projection.safetensors", "output_projections.safetensors", "lora/adapter_model.safetensors"),
}


def in_two_processes(what: str, folder: Path, how: str) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "tests.training.two_processes"]
    done = subprocess.run(
        [*command, what, str(folder), how],
        cwd=ROOT,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def learnt(what: str, made: Checkpoint, shown: Path, folder: Path, how: str) -> dict[str, Tensor]:
    """What was written by a run over a copy of a checkpoint."""
    shutil.copytree(made.folder, folder / "checkpoint", symlinks=True)
    shutil.copytree(shown, folder / "dialogues")
    if what == "encode":  # which is for a model that does not see yet
        path = folder / "checkpoint" / "nextgpt.json"
        described = json.loads(path.read_text(encoding="utf-8")) | {
            "inputs": ["text"],
            "input_tokens": {},
            "input_projection": "grouped",
        }
        path.write_text(json.dumps(described), encoding="utf-8")
    told = [{"caption": f"all {name}", "image_name": f"{name}.png"} for name in ("red", "blue")] * 2
    for pair in told:
        shutil.copy(shown / pair["image_name"], folder / pair["image_name"])
    (folder / "pairs.json").write_text(json.dumps(told), encoding="utf-8")
    in_two_processes(what, folder, how)
    written = read_checkpoint(folder / "checkpoint")
    return {f"{name} {key}": tensor for name in LEARNT[what] for key, tensor in load_file(written.part(name)).items()}


@pytest.mark.parametrize("what", list(LEARNT))
def test_what_is_learnt_together_is_what_is_learnt_with_a_whole_model_each(
    what: str,
    checkpoint: Checkpoint,  # noqa: F811
    data: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    before = {
        f"{name} {key}": tensor
        for name in LEARNT[what]
        if checkpoint.part(name).is_file()
        for key, tensor in load_file(checkpoint.part(name)).items()
    }
    whole, shared = (learnt(what, checkpoint, data, tmp_path / how, how) for how in ("whole", "shared"))
    torch.testing.assert_close(shared, whole, rtol=1e-4, atol=1e-5)
    assert any(
        name not in before or before[name].shape != tensor.shape or not torch.equal(before[name], tensor)
        for name, tensor in whole.items()
    )


def test_each_process_holds_its_part_of_every_layer(checkpoint: Checkpoint, tmp_path: Path) -> None:  # noqa: F811
    shutil.copytree(checkpoint.folder, tmp_path / "alone" / "checkpoint", symlinks=True)
    in_two_processes("share", tmp_path / "alone", "shared")


def test_what_each_holds_is_counted_with_the_layer_that_is_gathered() -> None:
    with torch.device("meta"):
        language = LlamaForCausalLM(LlamaConfig())
    whole, layer = sum(parameter.numel() for parameter in language.parameters()), 202_383_360
    assert held(language, 1) == whole == 6_738_415_616
    assert held(language, 8) == whole - 32 * layer + 4 * layer + layer


def test_one_process_alone_is_told_that_it_has_nobody_to_share_with() -> None:
    with pytest.raises(SystemExit, match="Start several: accelerate launch"):
        main(["align", "instruct", str(CHECKPOINT), "--shard"])
