"""Captions between tags, however the text that holds them is cut into pieces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextgpt_chat.reason.caption_stream import LONGEST, Caption, CaptionStream

KINDS = ("image", "audio")


def read(pieces: list[str], kinds: tuple[str, ...] = KINDS, within: str | None = None) -> list[str | Caption]:
    """What comes out, with neighbouring texts as one."""
    stream = CaptionStream(kinds, within)
    found = [one for piece in pieces for one in stream.add(piece)] + stream.finish()
    joined: list[str | Caption] = []
    for one in found:
        if isinstance(one, str) and joined and isinstance(joined[-1], str):
            joined[-1] += one
        else:
            joined.append(one)
    return joined


TEXT = "Here: <image>a red\n bird</image> and <audio>rain</audio>. 1 < 2 <b>x</b> <video>no</video>"
FOUND = ["Here: ", Caption("image", "a red bird"), " and ", Caption("audio", "rain"), ". 1 < 2 <b>x</b> <video>no</video>"]


def test_captions_are_found_and_all_else_is_said() -> None:
    assert read([TEXT]) == FOUND


@given(st.lists(st.integers(0, len(TEXT)), max_size=30))
def test_however_it_is_cut(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(TEXT)]
    assert read([TEXT[a:b] for a, b in itertools.pairwise(ends)]) == FOUND


def test_text_is_said_as_soon_as_it_is_sure() -> None:
    stream = CaptionStream(KINDS)
    assert stream.add("a < b and ") == ["a < b and "]
    assert stream.add("<ima") == []
    assert stream.add("gine>") == ["<imagine>"]
    assert stream.add("<image>a b") == []
    assert stream.add("ird</image") == []
    assert stream.add("> x") == [Caption("image", "a bird"), " x"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x <image>a bird", ["x ", Caption("image", "a bird")]),
        ("x <image>a bird</im", ["x ", Caption("image", "a bird</im")]),
        ("x <image>  </image> y", ["x  y"]),
        ("x <image></image>", ["x "]),
        ("x <image", ["x <image"]),
        ("</image> x", ["</image> x"]),
        ("<image>a <audio>b</audio></image>", [Caption("image", "a <audio>b</audio>")]),
    ],
)
def test_what_is_not_closed_or_empty(text: str, found: list[str | Caption]) -> None:
    assert read([text]) == read(list(text)) == found


def test_a_caption_has_an_end() -> None:
    long = "word " * 400
    found = read([f"<image>{long}"])
    assert isinstance(found[0], Caption)
    assert len(found[0].text) <= LONGEST
    assert read(list(f"<image>{long}")) == found
    assert read([f"<image>{'x' * LONGEST}</image> y"]) == [Caption("image", "x" * LONGEST), " y"]


def test_it_may_begin_within_a_caption() -> None:
    assert read(["a bird</im", "age>"], (), "image") == [Caption("image", "a bird")]


def test_without_kinds_everything_is_said_at_once() -> None:
    assert CaptionStream(()).add("<image>a") == ["<image>a"]
