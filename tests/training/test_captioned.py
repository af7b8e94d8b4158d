import random

from transformers import AutoTokenizer

from nextgpt_chat.tinyland.captions import caption, free_caption
from nextgpt_chat.tinyland.holdout import training_scene
from nextgpt_chat.tinyland.scene import Scene, random_scene
from nextgpt_chat.training.alignment import INPUT_TOKENS
from nextgpt_chat.training.captioned import canonical_captions, named_caption_batch, whole_words
from tests.conftest import CHECKPOINT


def test_captions_have_one_token_a_word_and_padding_for_what_has_no_name() -> None:
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT / "llm")
    rng = random.Random(5)
    scenes = [training_scene(rng) for _ in range(60)]
    unnamed = [rng.choice((("colour",), ("thing",), ())) for _ in scenes]
    captions = [caption(scene) for scene in scenes]
    for scene, names, ids in zip(
        scenes, unnamed, named_caption_batch(tokenizer, captions, unnamed, INPUT_TOKENS["image"] + 2), strict=True
    ):
        assert ids[0] == tokenizer.bos_token_id
        assert ids[-1] == tokenizer.eos_token_id
        words = caption(scene).split()
        words[2] = tokenizer.pad_token if "colour" in names else words[2]
        words[3] = tokenizer.pad_token if "thing" in names else words[3]
        assert [tokenizer.decode(token).strip() for token in ids[1:-1]] == words


def test_words_for_what_has_no_name_stand_in_no_caption() -> None:
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT / "llm")
    words = whole_words(tokenizer)
    rng = random.Random(6)
    said = {word.strip(",") for _ in range(3000) for word in free_caption(random_scene(rng), rng).split()}
    assert len(words) > 100
    assert not said & set(words)
    assert all(len(tokenizer(f" {word}", add_special_tokens=False).input_ids) == 1 for word in words)


def test_canonical_captions_are_told_from_all_others() -> None:
    assert {kind: len(canonical_captions(kind)) for kind in ("image", "video", "audio")} == {
        "image": 2304,
        "video": 16128,
        "audio": 48,
    }
    rng = random.Random(7)
    scenes = [random_scene(rng) for _ in range(50)]
    assert all(caption(scene) in canonical_captions("image") for scene in scenes)
    assert free_caption(Scene("dog", "red"), random.Random(2)) not in canonical_captions("image")
