"""The shape of the house: who may import whom, and how large a file may grow."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "nextgpt_chat"
FLOORS = (
    {"errors", "settings", "conversation", "events", "languages", "clock"},
    {"media", "datasets", "checkpoint", "weights", "disk"},
    {"tinyland"},
    {"store"},
    {"export"},
    {"encode", "reason", "generate", "memory", "presets"},
    {"placement"},
    {"residence"},
    {"pipeline"},
    {"loading"},
    {"engine", "annotate", "training", "evaluation", "convert"},
    {"web"},
    {"ui"},
    {"application", "doctor", "zero_gpu"},
    {"serving"},
    {"commands"},
    {"cli"},
    {"__main__"},
)
"""Lowest first; a room imports from the floors below it and from itself."""
SIDEWAYS = {("events", "conversation"), ("events", "settings"), ("generate", "encode")}
"""Allowed on one floor: events speak of conversations and settings; ImageBind's text tower becomes the decoder's text encoder."""
NO_TORCH = {
    "errors",
    "languages",
    "settings",
    "conversation",
    "clock",
    "events",
    "media",
    "datasets",
    "checkpoint",
    "disk",
    "store",
    "export",
    "engine",
    "ui",
    "web",
    "annotate",
    "application",
    "doctor",
    "memory",
    "presets",
    "zero_gpu",
    "tinyland",
}
TINYLAND_READERS = {"tinyland", "training", "evaluation"}
LONG: dict[str, str] = {}
"""Files over 300 lines, each with its reason; there is none."""


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(i for i, rooms in enumerate(FLOORS) if name in rooms)


def imports(path: Path) -> list[tuple[str, bool]]:
    """Names of imported modules, and whether the import stands inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in inner) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", id(node) in inner))
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return
    here = room(path)
    for name, inside in imports(path):
        if not name.startswith("nextgpt_chat."):
            continue
        assert not inside, f"{name} is imported inside a function"
        there = name.split(".")[1]
        assert there == here or floor(there) < floor(here) or (here, there) in SIDEWAYS, f"{here} imports {there}"
        assert there != "tinyland" or here in TINYLAND_READERS, f"{here} knows the world it should only have learned"


@pytest.mark.parametrize(
    "path", [path for path in modules() if room(path) in NO_TORCH], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_the_outer_rooms_know_no_tensors(path: Path) -> None:
    heavy = {"torch", "transformers", "diffusers", "peft", "accelerate"}
    assert not [name for name, _ in imports(path) if name.split(".")[0] in heavy]


def test_only_the_page_and_its_assembly_know_gradio() -> None:
    users = {room(path) for path in modules() if any(name.split(".")[0] == "gradio" for name, _ in imports(path))}
    assert users <= {"ui", "application"}


def test_names_are_unique() -> None:
    names = [path.name for path in modules() if path.name != "__init__.py" and room(path) != "commands"]
    shared = {"imagebind.py", "language_model.py"}  # a part and the stage that trains it
    assert sorted(name for name in set(names) if names.count(name) > 1 and name not in shared) == []


def test_files_stay_short() -> None:
    long = {str(path.relative_to(PACKAGE)) for path in modules() if len(path.read_text(encoding="utf-8").splitlines()) > 300}
    assert long <= LONG.keys()


def test_weights_are_safetensors_within_their_limits() -> None:
    files = [path for path in (ROOT / "checkpoints").rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in {".pt", ".pth", ".bin", ".pkl", ".ckpt"}]
    assert all(path.stat().st_size <= 10 * 2**20 for path in files)
    assert sum(path.stat().st_size for path in files) <= 40 * 2**20
