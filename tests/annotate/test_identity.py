import pytest

from nextgpt_chat.annotate.identity import gives_away


@pytest.mark.parametrize(
    "text",
    [
        "I am Tinyland.",
        "As a LLaMA-2 model I cannot.",
        "Made by OpenAI",
        "qwen3 says so",
        "I am Claude, a helper.",
        "trained by Google",
    ],
)
def test_what_names_its_maker_gives_itself_away(text: str) -> None:
    assert gives_away(text, ["tinyland"])


@pytest.mark.parametrize(
    "text",
    [
        "Look at the tinylandscape.",
        "I googled it.",
        "Claude Monet painted this.",
        "The phi coefficient is 1.",
        "a llamas' herd",
        "",
    ],
)
def test_words_that_only_resemble_a_name_do_not(text: str) -> None:
    assert not gives_away(text, ["tinyland"])
