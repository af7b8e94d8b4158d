"""Between processor and GPUs, on GPUs that are pretended: the same is said and made, and no tensor is forgotten anywhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.any_parts import put_together
from tests.conftest import CHECKPOINT, ROOT

BOTH = "card:0, card:1"


def conversations(folder: Path) -> dict[str, tuple[str, int]]:
    """Of each way: on what the language model was at the end, and how many media were made. In a process of its own, since devices that were made known
    to PyTorch stay known."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.on_pretend_gpus", str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = {}
    for way, at, same, count, far in re.findall(
        r"^(\w+): language model on \[(.*?)\], words (\w+), (\d+) media, (\S+)$", done.stdout, re.M
    ):
        assert same == "True", way
        assert float(far) < 0.005, way
        found[way] = (at.replace("'", ""), int(count))
    return found


def test_the_embedded_model_is_on_one_card_or_on_two() -> None:
    assert conversations(CHECKPOINT) == {"tiers": ("cpu", 3), "spread": (BOTH, 3)}


def test_the_parts_of_other_decoders_take_turns_on_a_card(tmp_path: Path) -> None:
    decoders = {"image": "StableDiffusionXLPipeline", "video": "LTXPipeline", "audio": "AudioLDM2Pipeline"}
    put_together(tmp_path / "llama", "llama", decoders)
    assert conversations(tmp_path / "llama") == {"tiers": ("cpu", 3), "spread": (BOTH, 3)}
