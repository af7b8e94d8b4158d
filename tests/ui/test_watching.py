from pathlib import Path

import pytest

from nextgpt_chat.conversation import Image
from nextgpt_chat.ui.watching import says_already


@pytest.mark.parametrize(
    ("caption", "suggestion", "said"),
    [
        ("a big blue bird on the left", "Make it blue", True),
        ("a big blue bird on the left", "Make it BLUE!", True),
        ("a big bluebird on the left", "Make it blue", False),
        ("a big red bird", "Make it blue", False),
        ("two small birds chirping", "Make it two", True),
        ("two small birds chirping", "What does it sound like?", False),
        (None, "Make it blue", False),
        ("a bird", "?", False),
    ],
)
def test_what_is_there_already_is_not_offered(caption: str | None, suggestion: str, said: bool) -> None:
    assert says_already(Image("1", Path("1.png"), "image/png", caption), suggestion) == said
