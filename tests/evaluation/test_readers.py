from nextgpt_chat.evaluation.calibration import calibrated_picture_reader
from nextgpt_chat.evaluation.readers.text import read_answer, read_text
from nextgpt_chat.evaluation.scores import attribute_scores, chance, share


def test_the_picture_reader_reads_rendered_truth() -> None:
    _, right = calibrated_picture_reader(2000, seed=5)
    assert min(right.values()) >= 0.99


def test_the_text_reader() -> None:
    assert read_text("I see two small red birds on the left at night.") == {
        "thing": "bird", "colour": "red", "size": "small", "place": "left", "count": "2", "time": "night",
    }  # fmt: skip
    assert read_text("red or blue?") == {}
    assert read_answer("No, it is blue.") != read_answer("Yes, it is blue.")
    assert read_answer("Nothing is on the left. The dogs are on the right.") == read_answer(
        "Nothing is on the left. The dogs are on the right!"
    )


def test_scores_and_their_baselines() -> None:
    truths = [{"thing": "bird", "colour": "red", "size": "big", "place": "left", "count": "1", "time": "day"}] * 4
    half = [truths[0], truths[0], {}, {}]
    scores = attribute_scores(truths, half)
    assert scores["all"].value == scores["scene"].value == 0.5
    assert share([1.0] * 50).low == 1.0
    assert abs(chance(("thing", "colour"))["scene"] - 1 / 64) < 1e-9
