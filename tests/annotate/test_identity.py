import pytest

from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.desk import Desk
from nextgpt_chat.annotate.identity import gives_away
from nextgpt_chat.annotate.plan import checked
from nextgpt_chat.settings import Settings
from tests.annotating import annotator, plan, rows_of, work
from tests.conftest import Opened


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


def test_what_earlier_replies_say_is_read_as_well(store: Opened, settings: Settings) -> None:
    turns = [
        {"role": "user", "parts": [{"kind": "text", "text": "Who are you?"}]},
        {"role": "assistant", "parts": [{"kind": "text", "text": "I am Heron."}]},
        {"role": "user", "parts": [{"kind": "text", "text": "Say 1."}]},
    ]
    answers = plan(1)["items"][0]["answers"]
    campaign = Campaigns(store, settings).create(
        checked(plan() | {"items": [{"turns": turns, "answers": answers}, *plan(2)["items"]]})
    )
    work(Desk(store), annotator(store), campaign)
    assert sorted(row.leak for row in rows_of(store, campaign)) == [False, False, True]
