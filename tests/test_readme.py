import re

from nextgpt_chat import __version__
from nextgpt_chat.settings import Settings
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `NEXTGPT_(\w+)` \| `?([^`|]*?)`? \|", README, re.MULTILINE))
    assert set(rows) == {name.upper() for name in Settings.model_fields}
    for name, value in Settings().model_dump().items():
        assert name == "checkpoints" or rows[name.upper()].strip() == str(value)


def test_the_tree_names_every_room_and_nothing_else() -> None:
    tree = README.split("nextgpt_chat/\n", 1)[1].split("\ncheckpoints/", 1)[0]
    named = {line.split()[0].rstrip("/") for line in tree.splitlines()}
    there = {path.name for path in (ROOT / "nextgpt_chat").iterdir() if path.name not in ("__pycache__", "__init__.py", "py.typed")}
    assert named == there


def test_every_file_that_the_readme_points_to_is_there() -> None:
    for target in re.findall(r"\]\(((?!https?:)[^)]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_the_changelog_speaks_of_this_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
