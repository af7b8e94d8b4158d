"""The modality-switching instruction data set (MosIT, section 5 of the paper), written from Tinyland: dialogues of 3 to 7 exchanges in which
text, pictures, clips and sounds go in and out in any mix.

`dialogues.jsonl` has one dialogue a line:

    {"id": "...", "turns": [{"role": "user", "parts": [{"kind": "image", "file": "media/ab/....png", "caption": "..."},
                                                       {"kind": "text", "text": "..."}]},
                            {"role": "assistant", "parts": [{"kind": "text", "text": "..."},
                                                            {"kind": "video", "file": "...", "caption": "...", "start": true}]}]}

`start` says that the medium begins from the last one before it. `README.md` beside it is the data card. Others' data in this format may
lack `caption`, and `file` where the assistant speaks: see `mosit_reader`, which reads it.
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Template
from typing import Any

from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.media.names import NOUNS
from nextgpt_chat.tinyland.derive import contradictions
from nextgpt_chat.tinyland.dialogues import EXCHANGES, dialogue
from nextgpt_chat.tinyland.exchange import Exchange, Medium
from nextgpt_chat.tinyland.files import render

CARD = Template("""# Tinyland MosIT

$dialogues dialogues of $fewest to $most exchanges ($exchanges in all) about a small procedural world, with $media different media files, made by
`nextgpt-chat data mosit --count $dialogues --seed $seed`. Every line of `dialogues.jsonl` is a dialogue; files lie below `media`.

- Every answer was checked against its scenes by code that did not write it: $wrong contradictions.
- $duplicates of the dialogues occur more than once.
- Combinations that are held out for evaluation occur in none of them.

What goes in, what comes out, and how often (exchanges):

| in \\\\ out | $columns |
|---|$rule|
$rows

| intent | exchanges |
|---|---|
$intents
""")


def write_mosit(folder: Path, count: int, seed: int, progress: Callable[[int], None] = lambda _done: None) -> None:
    """Writes `count` dialogues into `folder`, which must be new or empty; `progress` is told after each."""
    folder.mkdir(parents=True, exist_ok=True)
    content = ContentStore(folder / "media")
    told: list[list[Exchange]] = []
    wrong = 0
    with (folder / "dialogues.jsonl").open("w", encoding="utf-8") as file:
        for i in range(count):
            rng = random.Random(f"{seed}/{i}")
            exchanges = dialogue(rng, rng.randint(*EXCHANGES))
            wrong += len(list(wrong_answers(exchanges)))
            line = {"id": f"tinyland-{seed}-{i:06}", "turns": list(_turns(exchanges, rng, content, folder))}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            told.append(exchanges)
            progress(i + 1)
    (folder / "README.md").write_text(card(told, seed, wrong, len(list(content.files()))), encoding="utf-8")


def wrong_answers(exchanges: list[Exchange]) -> Iterator[str]:
    """Sentences of a dialogue that do not follow from its media."""
    seen: list[Medium] = []
    for exchange in exchanges:
        yield from contradictions(exchange, seen)
        seen += [*exchange.shown, *exchange.made]


def _turns(exchanges: list[Exchange], rng: random.Random, content: ContentStore, folder: Path) -> Iterator[dict[str, Any]]:
    def file(medium: Medium, **more: Any) -> dict[str, Any]:
        path = render(medium, rng, content).path.relative_to(folder)
        return {"kind": medium.kind, "file": path.as_posix(), "caption": medium.caption, **more}

    for exchange in exchanges:
        shown = [file(medium) for medium in exchange.shown]
        made = [file(medium, **({"start": True} if exchange.start else {})) for medium in exchange.made]
        yield {"role": "user", "parts": [*shown, {"kind": "text", "text": exchange.ask}]}
        yield {"role": "assistant", "parts": [{"kind": "text", "text": exchange.reply}, *made]}


def card(told: list[list[Exchange]], seed: int, wrong: int, media: int) -> str:
    """The data card: size, balance over pairs of modalities, duplicates, contradictions."""
    every = [exchange for exchanges in told for exchange in exchanges]
    pairs = Counter((_mix(exchange.shown), _mix(exchange.made)) for exchange in every)
    outs = sorted({made for _, made in pairs}, key=lambda made: (made.count("+"), made))
    ins = sorted({shown for shown, _ in pairs}, key=lambda shown: (shown.count("+"), shown))
    digests = Counter(hashlib.sha256(repr(exchanges).encode()).digest() for exchanges in told)
    return CARD.substitute(
        dialogues=len(told),
        fewest=min(map(len, told)),
        most=max(map(len, told)),
        exchanges=len(every),
        media=media,
        seed=seed,
        wrong=wrong,
        duplicates=sum(times - 1 for times in digests.values()),
        columns=" | ".join(outs),
        rule="|".join(["---"] * len(outs)),
        rows="\n".join(f"| {shown} | {' | '.join(str(pairs[shown, made]) for made in outs)} |" for shown in ins),
        intents="\n".join(f"| {intent} | {times} |" for intent, times in Counter(e.intent for e in every).most_common()),
    )


def _mix(media: tuple[Medium, ...]) -> str:
    """`text`, `text + sound`, ...; several media of a kind count once."""
    return " + ".join(["text", *(NOUNS[kind] for kind in NOUNS if kind in {medium.kind for medium in media})])
