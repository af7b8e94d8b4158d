import json

from nextgpt_chat.checkpoint import FILE_NAME
from nextgpt_chat.training.assemble import DECODING, DESCRIPTION
from tests.conftest import CHECKPOINT


def test_the_embedded_checkpoint_is_described_as_the_recipe_describes_it() -> None:
    described = json.loads((CHECKPOINT / FILE_NAME).read_text(encoding="utf-8"))
    assert described["decoding"] == DECODING
    assert {name: described[name] for name in DESCRIPTION} == DESCRIPTION
