"""Between processor and GPUs, on GPUs that are pretended: in every way the same is said and made, and no tensor is forgotten anywhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.any_parts import put_together
from tests.conftest import CHECKPOINT, ROOT

CARD, OTHER = "card:0", "card:1"


def conversations(folder: Path, *ways: str) -> dict[str, tuple[str, int, dict[str, int]]]:
    """Of each way: on what the language model was at the end, how many media were made, and bytes of each card at most. In a process of its own, since
    devices that were made known to PyTorch stay known."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.on_pretend_gpus", str(folder), *ways],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = {}
    for way, at, same, count, far, used in re.findall(
        r"^(\w+): language model on \[(.*?)\], words (\w+), (\d+) media, (\S+), \{(.*)\}$", done.stdout, re.M
    ):
        assert same == "True", way
        assert float(far) < 0.005, way
        found[way] = (at.replace("'", ""), int(count), {card: int(size) for card, size in re.findall(r"'(\S+)': (\d+)", used)})
    return found


def test_the_embedded_model_is_on_one_card_or_on_two() -> None:
    found = conversations(CHECKPOINT, "whole", "tiers", "divided")
    assert {way: (at, count) for way, (at, count, _) in found.items()} == {
        "whole": (OTHER, 4),
        "tiers": ("cpu", 4),
        "divided": (f"{CARD}, {OTHER}", 4),
    }
    assert set(found["divided"][2]) == {CARD, OTHER}
    assert found["tiers"][2][CARD] < 0.9 * found["whole"][2][OTHER]


def test_other_decoders_lend_their_parts_to_a_card(tmp_path: Path) -> None:
    decoders = {"image": "StableDiffusionXLPipeline", "video": "LTXPipeline", "audio": "AudioLDM2Pipeline"}
    put_together(tmp_path / "llama", "llama", decoders)
    found = conversations(tmp_path / "llama", "tiers", "divided")
    assert {way: (at, count) for way, (at, count, _) in found.items()} == {"tiers": ("cpu", 3), "divided": (f"{CARD}, {OTHER}", 3)}
