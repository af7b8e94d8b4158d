"""Presets, fetched by the command as a user runs it, from a stand-in for the hub."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from nextgpt_chat.checkpoint import Checkpoint, read_checkpoint
from nextgpt_chat.presets.preset import LOCK, find_preset, names
from tests.any_parts import put_together
from tests.conftest import ROOT
from tests.convert.official import make
from tests.stand_in_hub import COMMIT, Hub, running


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts") / "parts"
    put_together(folder, "llama", {"image": "StableDiffusionXLPipeline"})
    return folder


def preset(parts: Path, folder: Path, **changed: Any) -> Path:
    described = json.loads((parts / "nextgpt.json").read_text(encoding="utf-8"))
    made = {
        "title": "Small parts",
        "says": "For tests.",
        "sources": {
            "llm": {"repo": "org/chat", "files": ["*.json", "*.jinja", "model*.safetensors"], "licence": "Apache-2.0"},
            "image_decoder": {"repo": "org/pictures", "files": ["model_index.json", "*/*"], "licence": "RAIL: not for everything"},
        },
        "description": {name: value for name, value in described.items() if name not in ("format", "name", "title")},
    }
    path = folder / "small.json"
    path.write_text(json.dumps(made | changed), encoding="utf-8")
    return path


def test_the_presets_are_pinned_and_of_a_repository_to_the_same_commit() -> None:
    found: dict[str, set[str]] = {}
    for name in names():
        for source in find_preset(name, Path("nowhere")).sources.values():
            if source.repo:
                found.setdefault(source.repo, set()).add(source.revision)
                assert (source.revision == "main") == (source.until is not None), source.repo
    assert {repo for repo, revisions in found.items() if revisions == {"main"}} == {
        "ChocoWu/nextgpt_7b_tiva_v0",
        "cvssp/audioldm-l-full",
    }
    assert all(len(revisions) == 1 for revisions in found.values())
    assert {len(revision) for revisions in found.values() for revision in revisions} == {len("main"), len(COMMIT)}


CRAMPED = """
import shutil, sys
from nextgpt_chat.cli import main
own = shutil.disk_usage
shutil.disk_usage = lambda folder: own(folder)._replace(free=2_000_000_000)
sys.argv[0] = "nextgpt-chat"
main(sys.argv[1:])
"""
"""The command, where 2 GB of disk are free."""
NO_NETWORK = """
import socket, sys
def refuse(self, address, *_):
    raise OSError(f"{address} was asked for")
socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = lambda *asked, **_: refuse(None, asked)
try:
    socket.create_connection(("127.0.0.1", 9))
except OSError as error:
    assert "was asked for" in str(error)
else:
    raise AssertionError
from nextgpt_chat.cli import main
main(sys.argv[1:])
"""
"""The command, where every connection is refused."""


def run(folder: Path, url: str, *words: object, **more: str) -> subprocess.CompletedProcess[str]:
    return started(["-m", "nextgpt_chat", "download"], folder, url, *words, **more)


def started(program: list[str], folder: Path, url: str, *words: object, **more: str) -> subprocess.CompletedProcess[str]:
    own = {
        "HF_ENDPOINT": url,
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "NEXTGPT_CHECKPOINTS": str(folder / "checkpoints"),
    }
    kept = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS")}
    command = [sys.executable, *program, *map(str, words)]
    return subprocess.run(
        command, cwd=ROOT, env=kept | own | more, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL
    )


def test_it_comes_whole_with_its_licences_and_the_commit_noted(parts: Path, tmp_path: Path) -> None:
    with running(Hub({"org/chat": parts / "llm", "org/pictures": parts / "image_decoder"})) as hub:
        said = run(tmp_path, hub.url, preset(parts, tmp_path), "--accept-licences")
        assert said.returncode == 0, said.stderr
        folder = tmp_path / "checkpoints" / "small"
        assert "image_decoder: RAIL: not for everything (https://huggingface.co/org/pictures)" in said.stdout
        assert "Talk to it with: NEXTGPT_MODEL=small" in said.stdout
        sizes = [sum(path.stat().st_size for path in (parts / name).rglob("*")) / 10**9 for name in ("llm", "image_decoder")]
        told = re.findall(r"^(.+): ([\d.]+) GB from (.+)$", said.stdout, re.MULTILINE)
        assert [(part, repo) for part, _, repo in told] == [("llm", "org/chat"), ("image_decoder", "org/pictures")]
        assert [float(size) for _, size, _ in told] == pytest.approx(sizes, abs=0.006)
        assert "Fetching" in said.stderr  # the hub's own bar
        assert read_checkpoint(folder).name == "small"
        noted = json.loads((folder / LOCK).read_text(encoding="utf-8"))
        assert {source["revision"] for source in noted["sources"].values()} == {COMMIT}
        fetched = len(hub.asked)
        (folder / "nextgpt.json").write_text((folder / "nextgpt.json").read_text().replace("For tests", "Edited"), encoding="utf-8")
        edited = (folder / "nextgpt.json").read_bytes()
        again = run(tmp_path, hub.url, "small", "--accept-licences")
        assert again.returncode == 0, again.stderr
        assert "0.0 GB are to be fetched" in again.stdout
        assert len(hub.asked) == fetched
        assert (folder / "nextgpt.json").read_bytes() == edited


@pytest.mark.parametrize(("until", "commit"), [("2024-05-05", "c"), ("2024-05-04", "b"), ("2023-10-15", "a"), ("2023-10-14", "")])
def test_a_day_is_a_pin_where_no_commit_is_known(until: str, commit: str, parts: Path, tmp_path: Path) -> None:
    history = [("e" * 40, "2026-01-01T00:00:00.000Z"), ("d" * 40, "2024-05-06T00:00:00.000Z"), (COMMIT, "2024-05-05T23:59:59.000Z")]
    history += [("b" * 40, "2023-10-16T00:00:00.000Z"), ("a" * 40, "2023-10-15T18:00:00.000Z")]
    with running(Hub({"org/chat": parts / "llm", "org/pictures": parts / "image_decoder"}, history=history)) as hub:
        made = preset(parts, tmp_path)
        described = json.loads(made.read_text(encoding="utf-8"))
        described["sources"]["llm"]["until"] = until
        made.write_text(json.dumps(described), encoding="utf-8")
        said = run(tmp_path, hub.url, made, "--accept-licences")
        if not commit:
            assert said.returncode == 1
            assert "org/chat has no commit of 2023-10-14 or before any more: its history was written anew." in said.stderr
            assert hub.asked == []
            return
        assert said.returncode == 0, said.stderr
        noted = json.loads((tmp_path / "checkpoints" / "small" / LOCK).read_text(encoding="utf-8"))["sources"]
        assert (noted["llm"]["revision"], noted["llm"]["until"]) == (commit * 40, None)
        assert noted["image_decoder"]["revision"] == "e" * 40
        hub.history[:] = hub.history[:1]  # what was noted is asked for, and not the day again
        again = run(tmp_path, hub.url, "small", "--accept-licences")
        assert again.returncode == 0, again.stderr


def test_what_broke_off_goes_on(parts: Path, tmp_path: Path) -> None:
    with running(Hub({"org/chat": parts / "llm", "org/pictures": parts / "image_decoder"})) as hub:
        made = preset(parts, tmp_path)
        del hub.repos["org/pictures"]
        said = run(tmp_path, hub.url, made, "--accept-licences")
        assert said.returncode == 1
        assert "There is no org/pictures at the hub" in said.stderr
        hub.repos["org/pictures"] = parts / "image_decoder"
        hub.cut["model.safetensors"] = 10_000
        said = run(tmp_path, hub.url, made, "--accept-licences")
        assert said.returncode == 0, said.stderr
        folder = tmp_path / "checkpoints" / "small"
        assert hub.cut == {}
        assert (folder / "llm" / "model.safetensors").read_bytes() == (parts / "llm" / "model.safetensors").read_bytes()
        assert read_checkpoint(folder).name == "small"


def test_a_file_beside_the_hub_goes_on_where_it_broke_off(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "weights.pth").write_bytes(bytes(50_000))
    with running(Hub({"org/chat": parts / "llm", "org/pictures": parts / "image_decoder", "beside": tmp_path / "beside"})) as hub:
        made = preset(parts, tmp_path)
        described = json.loads(made.read_text(encoding="utf-8"))
        described["sources"]["extra"] = {"url": f"{hub.url}/weights.pth", "licence": "of its own", "page": "its page"}
        made.write_text(json.dumps(described), encoding="utf-8")
        begun = tmp_path / "checkpoints" / "small" / "extra" / "weights.pth.part"
        begun.parent.mkdir(parents=True)
        begun.write_bytes(bytes(20_000))
        said = run(tmp_path, hub.url, made, "--accept-licences", TQDM_POSITION="-1")  # with bars, as in a terminal
        assert said.returncode == 0, said.stderr
        assert "extra: of its own (its page)" in said.stdout
        assert "weights.pth@20000" in hub.asked
        assert re.search(r"weights\.pth: +40%.*20\.0k/50\.0k", said.stderr)
        assert re.search(r"weights\.pth: +100%.*50\.0k/50\.0k", said.stderr)
        assert begun.with_suffix("").read_bytes() == bytes(50_000)
        assert not begun.exists()


@pytest.mark.parametrize("right", [True, False])
def test_a_file_beside_the_hub_is_the_one_that_was_published(right: bool, parts: Path, tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "weights.pth").write_bytes(bytes(1000))
    repos = {"org/chat": parts / "llm", "org/pictures": parts / "image_decoder", "beside": tmp_path / "beside"}
    with running(Hub(repos)) as hub:
        made = preset(parts, tmp_path)
        described = json.loads(made.read_text(encoding="utf-8"))
        known = hashlib.sha256(bytes(1000 if right else 999)).hexdigest()
        described["sources"]["extra"] = {"url": f"{hub.url}/weights.pth", "licence": "of its own", "sha256": known}
        made.write_text(json.dumps(described), encoding="utf-8")
        said = run(tmp_path, hub.url, made, "--accept-licences")
    folder = tmp_path / "checkpoints" / "small" / "extra"
    assert said.returncode == (0 if right else 1), said.stderr
    assert [path.name for path in folder.iterdir()] == (["weights.pth"] if right else [])
    assert right or f"is not {hub.url}/weights.pth: its SHA-256 is" in said.stderr


def test_too_little_disk_is_said_before_anything_is_fetched(parts: Path, tmp_path: Path) -> None:
    with running(Hub({"org/chat": parts / "llm", "org/pictures": parts / "image_decoder"})) as hub:
        made = preset(parts, tmp_path)
        said = started(["-c", CRAMPED, "download"], tmp_path, hub.url, made, "--accept-licences")
        assert said.returncode == 1
        sentence = "0.0 GB are to be fetched, and 2.0 GB of disk are free in"
        assert sentence in said.stderr
        assert "of which 2 must stay. Free some, or choose another folder with NEXTGPT_CHECKPOINTS." in said.stderr
        assert hub.asked == []
        described = json.loads(made.read_text(encoding="utf-8"))
        made.write_text(json.dumps({name: value for name, value in described.items() if name != "description"}), encoding="utf-8")
        said = started(["-c", CRAMPED, "download"], tmp_path, hub.url, made, "--accept-licences")
        assert "0.0 GB are to be fetched and at most 0.0 GB to be made of it, and" in said.stderr


def test_a_folder_that_was_copied_answers_without_a_network(parts: Path, tmp_path: Path) -> None:
    shutil.copytree(parts, tmp_path / "checkpoints" / "copied")
    words = ["a bird", "--model", "copied", "--reply-with", "image", "--json", "--out", tmp_path, "--data", tmp_path / "data"]
    said = started(["-c", NO_NETWORK, "ask"], tmp_path, "http://127.0.0.1:9", *words, HF_HUB_OFFLINE="1")
    assert said.returncode == 0, said.stderr
    assert "image" in said.stdout
    assert list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("licences", "Nothing was fetched. Read the licences, then say --accept-licences."),
        ("gated", "org/pictures asks for its licence to be accepted"),
        ("nothing", "org/chat has none of the files *.weights"),
        ("network", "cannot be fetched"),
        ("offline", "HF_HUB_OFFLINE"),
        ("unknown", "There is no preset called 'unknown'. Presets: mistral-sd35-wan-stable-audio"),
        ("broken", "cannot be read"),
        ("there", "There is a model in"),
        ("incomplete", "is incomplete; missing: llm/model.safetensors"),
    ],
)
def test_what_goes_wrong_gets_a_sentence(change: str, sentence: str, parts: Path, tmp_path: Path) -> None:
    with running(Hub({"org/chat": parts / "llm", "org/pictures": parts / "image_decoder"})) as hub:
        made: Path | str = preset(parts, tmp_path)
        words, url = ["--accept-licences"], hub.url
        if change == "licences":
            words = []
        elif change == "gated":
            hub.gated.add("org/pictures")
        elif change in ("nothing", "incomplete"):
            described = json.loads(Path(made).read_text(encoding="utf-8"))
            described["sources"]["llm"]["files"] = ["*.weights"] if change == "nothing" else ["*.json", "*.jinja"]
            Path(made).write_text(json.dumps(described), encoding="utf-8")
        elif change == "network":
            url = "http://127.0.0.1:9"
        elif change == "unknown":
            made = "unknown"
        elif change == "broken":
            Path(made).write_text("{", encoding="utf-8")
        elif change == "there":
            (tmp_path / "checkpoints" / "small").mkdir(parents=True)
            (tmp_path / "checkpoints" / "small" / "nextgpt.json").write_text("{}", encoding="utf-8")
        said = run(tmp_path, url, made, *words, **({"HF_HUB_OFFLINE": "1"} if change == "offline" else {}))
        assert said.returncode == 1
        assert sentence in said.stderr
        assert "Traceback" not in said.stderr


@pytest.mark.parametrize("name", names())
def test_those_of_the_project_describe_whole_models(name: str, tmp_path: Path) -> None:
    found = find_preset(name, tmp_path)
    assert all(source.licence and bool(source.repo) != bool(source.url) for source in found.sources.values())
    assert all(source.files for source in found.sources.values() if source.repo)
    if found.description is None:
        wanted = {"official", "base", "delta", "imagebind", "image_decoder", "video_decoder", "audio_decoder"}
        assert set(found.sources) == wanted
    else:
        described = Checkpoint.model_validate({"format": 1, "name": name, "title": found.title, **found.description})
        assert set(found.sources) == {"llm", *(f"{kind}_decoder" for kind in described.made)}
        assert not any(pattern.endswith((".bin", ".pt", ".pth")) for source in found.sources.values() for pattern in source.files)


def test_the_published_model_is_fetched_and_handed_to_the_conversion(tmp_path: Path) -> None:
    sources, _ = make(tmp_path / "made")
    model = LlamaForCausalLM.from_pretrained(sources.base, dtype=torch.float16)
    for parameter in model.parameters():
        parameter.data.zero_()
    model.save_pretrained(tmp_path / "delta")
    beside = tmp_path / "beside"
    beside.mkdir()
    sources.imagebind.rename(beside / "imagebind_huge.pth")
    repos = {"org/official": sources.official, "org/base": sources.base, "org/delta": tmp_path / "delta", "beside": beside}
    repos |= {f"org/{kind}": folder for kind, folder in sources.decoders.items()}
    with running(Hub(repos)) as hub:
        told = json.loads((ROOT / "nextgpt_chat" / "presets" / "nextgpt-7b.json").read_text(encoding="utf-8"))
        names = {"official": "official", "base": "base", "delta": "delta", **{f"{kind}_decoder": kind for kind in sources.decoders}}
        for part, name in names.items():
            told["sources"][part] |= {"repo": f"org/{name}", "files": ["*"]}
        told["sources"]["imagebind"] |= {"url": f"{hub.url}/imagebind_huge.pth", "sha256": ""}
        (tmp_path / "small.json").write_text(json.dumps(told), encoding="utf-8")
        said = run(tmp_path, hub.url, tmp_path / "small.json", "--accept-licences")
    folder = tmp_path / "checkpoints"
    assert (folder / "small.parts" / "imagebind" / "imagebind_huge.pth").is_file()
    assert "LLaMA licence of Meta" in said.stdout
    assert "does not hold the weights of ImageBind-huge" in said.stderr  # it is narrow; the other parts fit
    assert not (folder / "small").exists()
