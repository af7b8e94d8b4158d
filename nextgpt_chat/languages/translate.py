"""What the pages say, in other languages. A text is named by its English words, so that what is not translated is still read.

Each language has a file beside this one. What the model says is English, and so are the sentences that refuse something, but for a few.
"""

import json
import re
from collections.abc import Callable, Mapping
from importlib.resources import files

Say = Callable[[str], str]
"""English words -> the same in the language of who looks."""


def _read(language: str) -> dict[str, str]:
    texts: dict[str, str] = json.loads((files(__package__) / f"{language}.json").read_text(encoding="utf-8"))
    return texts


TRANSLATIONS: Mapping[str, dict[str, str]] = {language: _read(language) for language in ("de", "zh-CN")}
MOST_LANGUAGES = 20
"""Languages of a request that are looked at."""


def say(accepted: str) -> Say:
    """Translates into the first known of the languages that a browser accepts: the header `Accept-Language`, which lists the best one first."""
    texts = TRANSLATIONS.get(language(accepted), {})
    return lambda text: texts.get(text, text)


def language(accepted: str) -> str:
    """Name of the language that `say` translates into; English if no other is known."""
    for wanted in accepted.split(",")[:MOST_LANGUAGES]:
        name = re.split("[-;]", wanted.strip().lower())[0]
        for known in ("en", *TRANSLATIONS):
            if known.split("-")[0] == name:
                return known
    return "en"
