"""The published checkpoint, of small width: what is converted, and what becomes of it."""

import json
from pathlib import Path

import pytest
from torch import Tensor

from nextgpt_chat.convert.write import Sources, convert
from nextgpt_chat.loading import load_pipeline
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.pipeline import Pipeline
from tests.convert.official import SMALLER, make
from tests.encode.test_published_imagebind import CONFIG


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sources, dict[str, Tensor]]:
    return make(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="package")
def converted(made: tuple[Sources, dict[str, Tensor]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("checkpoints") / "nextgpt-7b"
    said: list[str] = []
    convert(made[0], out, said.append, CONFIG)
    assert len(said) == 6
    assert [path.name for path in out.parent.iterdir()] == ["nextgpt-7b"]
    path = out / "nextgpt.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    for kind, sizes in SMALLER.items():
        described["decoding"][kind] |= {"steps": 2, **sizes}
    path.write_text(json.dumps(described), encoding="utf-8")
    return out


@pytest.fixture(scope="package")
def pipeline(converted: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return load_pipeline(converted, ContentStore(tmp_path_factory.mktemp("media")), "cpu")
