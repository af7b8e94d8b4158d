import ast
import re
from collections.abc import Iterator

import pytest

from nextgpt_chat.languages.translate import TRANSLATIONS, say
from nextgpt_chat.media.names import NOUNS
from nextgpt_chat.store.accounts import WRONG, Role
from nextgpt_chat.store.ratings import REASONS
from nextgpt_chat.ui.camera import WORDS
from nextgpt_chat.ui.progress import VERBS
from nextgpt_chat.ui.render import NOT_REMADE
from nextgpt_chat.ui.visit import GENERAL
from nextgpt_chat.web.account_page import CHANGED, FOREIGN
from tests.conftest import ROOT

NAMES = {*NOUNS.values(), *(noun.capitalize() for noun in NOUNS.values()), *VERBS.values(), *REASONS.values(), *Role, *WORDS}
CONSTANTS = {*NAMES, NOT_REMADE, WRONG, GENERAL, FOREIGN, CHANGED}
"""Texts that are translated where they stand in a variable."""


def spoken() -> Iterator[str]:
    """Every text that the code and the templates of the pages give to be translated."""
    for template in (ROOT / "nextgpt_chat" / "web").glob("*.html"):
        yield from re.findall(r'say\("(.*?)"\)', template.read_text(encoding="utf-8"))
    for path in (ROOT / "nextgpt_chat" / "ui").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("say", "shown", "words"):
                yield from (
                    one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant) and isinstance(one.value, str)
                )


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_every_text_is_translated_and_nothing_else(language: str) -> None:
    said = {text for text in spoken() if text not in ("accept-language", "")} | CONSTANTS
    assert set(TRANSLATIONS[language]) == said


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_what_is_filled_in_has_its_places(language: str) -> None:
    for text, translated in TRANSLATIONS[language].items():
        assert re.findall(r"{.*?}", text) == re.findall(r"{.*?}", translated), text
        assert translated.strip()


@pytest.mark.parametrize(
    ("accepted", "said"),
    [
        ("de", "Neuer Chat"),
        ("de-CH,fr;q=0.8", "Neuer Chat"),
        ("fr,de;q=0.7,en;q=0.3", "Neuer Chat"),
        ("zh-TW;q=0.9", "新对话"),
        ("ZH", "新对话"),
        ("en-GB,de;q=0.9", "New chat"),
        ("fr", "New chat"),
        ("", "New chat"),
        (";;,,-,q=" * 1000 + "de", "New chat"),
    ],
)
def test_the_first_known_language_is_taken(accepted: str, said: str) -> None:
    assert say(accepted)("New chat") == said
    assert say(accepted)("not translated") == "not translated"
