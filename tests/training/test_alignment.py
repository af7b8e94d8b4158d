import random
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from nextgpt_chat.conversation import Media, Text, Turn
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.stand_in import stand_in
from nextgpt_chat.settings import Settings
from nextgpt_chat.tinyland.dialogues import EXCHANGES, dialogue
from nextgpt_chat.tinyland.exchange import Exchange, Medium
from nextgpt_chat.tinyland.files import render
from nextgpt_chat.tinyland.scene import Scene
from nextgpt_chat.training.alignment import INPUT_TOKENS, TalkBatch, Tools, reading_distance
from nextgpt_chat.training.mosit import write_mosit
from nextgpt_chat.training.mosit_reader import read_dialogues

SHOWN = tuple(Medium(kind, Scene("dog", "red", place="left", motion="up")) for kind in INPUT_TOKENS)


class MediaFirst(random.Random):
    """Puts the media of every message before its text, as files have them."""

    def random(self) -> float:
        return 1.0


def test_the_reading_distance_compares_words_that_have_a_name() -> None:
    torch.manual_seed(0)
    embeddings = nn.Embedding(300, 64, padding_idx=0)
    captions = torch.randint(1, 300, (40, 9))
    words = embeddings(captions).detach()
    assert reading_distance(words, captions, embeddings) == 0
    alike = embeddings.weight.mean(dim=0).expand_as(words)
    assert 0.9 < reading_distance(alike, captions, embeddings) < 1.1
    wrong = words.clone()
    wrong[:, 3] += 100
    assert reading_distance(wrong, captions, embeddings) > 1
    captions[:, 3] = 0
    assert reading_distance(wrong, captions, embeddings) == 0
    assert reading_distance(wrong, torch.zeros_like(captions), embeddings) == 0


def equal(one: dict[str, Tensor], other: dict[str, Tensor], names: tuple[str, ...]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in names)


def test_dialogues_from_files_are_the_batch_that_the_same_dialogues_of_tinyland_are(tmp_path: Path, tools: Tools) -> None:
    write_mosit(tmp_path, 20, 3)
    rngs = [random.Random(f"3/{i}") for i in range(20)]
    exchanges = [dialogue(rng, rng.randint(*EXCHANGES)) for rng in rngs]
    read = read_dialogues(tmp_path, ContentStore(tmp_path / "store"), Settings())
    own, others = tools.batch(exchanges, MediaFirst(1)), tools.batch([], MediaFirst(1), read)
    assert equal(own, others, ("ids", "mask", "weights"))
    assert list(own["shown"]) == list(others["shown"]) == list(own["made"]) == list(others["made"]) == ["image", "video", "audio"]
    for kind in own["shown"]:
        assert equal(own["shown"][kind], others["shown"][kind], ("captions", "slots"))
        assert own["shown"][kind]["media"].shape == others["shown"][kind]["media"].shape
        assert equal(own["made"][kind], others["made"][kind], ("ids", "groups"))


def test_files_are_opened_as_what_training_renders(tmp_path: Path, tools: Tools) -> None:
    content = ContentStore(tmp_path)
    files = [replace(render(medium, random.Random(4), content), caption=medium.caption) for medium in SHOWN]
    read = [[Turn("user", tuple(files)), Turn("assistant", (Text("A dog."),))]]
    opened = tools.batch([], random.Random(1), read)["shown"]
    for medium in SHOWN:
        rendered = tools.batch([[Exchange("", "", shown=(medium,))]], Reseeded(4))["shown"][medium.kind]["media"]
        assert opened[medium.kind]["media"].shape == rendered.shape
        # what a file keeps: all of a picture; 16 bits of a sample, so that near silence the logarithm moves; a clip but for its coding
        far = {"image": 0.0, "audio": 0.02, "video": 0.03}[medium.kind]
        assert (opened[medium.kind]["media"] - rendered).abs().mean() <= far


class Reseeded(random.Random):
    """Begins anew behind the one number that says where the media of a message stand."""

    def random(self) -> float:
        if self.__dict__.setdefault("asked", False):
            return super().random()
        self.asked = True
        self.seed(4)
        return 1.0


def test_what_is_read_comes_behind_tinyland_and_changes_nothing_before_it(tmp_path: Path, tools: Tools) -> None:
    exchanges = [[Exchange("what is it?", "A dog.", shown=SHOWN)], [Exchange("draw it", "Here.", made=SHOWN[:1])]]
    files = [render(medium, random.Random(4), ContentStore(tmp_path)) for medium in SHOWN]
    read = [[Turn("user", (Text("and here?"), *files)), Turn("assistant", (Text("One."), stand_in("image", "one dog")))]]
    alone, mixed = tools.batch(exchanges, random.Random(3)), tools.batch(exchanges, random.Random(3), read)
    length = alone["ids"].shape[1]
    assert torch.equal(mixed["ids"][:2, :length], alone["ids"])
    assert len(mixed["ids"]) == 3
    for kind, shown in alone["shown"].items():
        assert all(torch.equal(mixed["shown"][kind][name][:1], shown[name]) for name in ("media", "captions", "slots"))
        assert mixed["shown"][kind]["slots"][1, 0] == 2
    assert mixed["made"]["image"]["groups"][:, 0].tolist() == [1, 2]


def batch_of(tools: Tools, shown: Media, *made: Media) -> TalkBatch:
    return tools.batch([], random.Random(1), [[Turn("user", (Text("hm?"), shown)), Turn("assistant", (Text("Hm."), *made))]])


def test_what_a_dialogue_from_files_lacks_is_not_learnt(tmp_path: Path, tools: Tools) -> None:
    shown = render(SHOWN[0], random.Random(4), ContentStore(tmp_path))
    canonical = SHOWN[0].caption
    padding = tools.tokenizer.pad_token_id
    for caption in (None, "", "a dog on a sofa", canonical.upper(), f"{canonical} in Paris"):
        assert (batch_of(tools, replace(shown, caption=caption))["shown"]["image"]["captions"] == padding).all(), caption
    assert (batch_of(tools, replace(shown, caption=canonical))["shown"]["image"]["captions"] != padding).all()
    batch = batch_of(tools, shown, stand_in("image", None), stand_in("audio", None), stand_in("image", "a red dog"))
    assert list(batch["made"]) == ["image"]
    (group,) = batch["made"]["image"]["groups"].tolist()
    first = tools.form.groups.ids["image"][0]
    assert group == (batch["ids"] == first).nonzero()[1].tolist()
    assert (batch["weights"] > 0).sum() == len(tools.form.text("Hm.")) + 4 + 3 + 4 + 1  # the words, three groups and the end
