"""A campaign as a data set: a folder that `datasets.load_dataset` reads, with a card, a manifest and all media once."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datasets import (
    Audio,
    Dataset,
    Features,
    Image,
    List,
    Value,
    Video,
    disable_progress_bars,
    enable_progress_bars,
    is_progress_bar_enabled,
)

from nextgpt_chat import __version__
from nextgpt_chat.annotate.data_card import card
from nextgpt_chat.annotate.label_studio import config, tasks
from nextgpt_chat.annotate.material import CHAT, Answer, Material, of_campaign, of_chats
from nextgpt_chat.annotate.preferences import Names, kto, messages, preferences
from nextgpt_chat.annotate.report import Report, Reports
from nextgpt_chat.conversation import Media
from nextgpt_chat.errors import InputError

SCHEMA = 1
"""Of the files; raised when a column changes its name or meaning."""
LARGEST_MB = 2_000
"""Most megabytes of media in one data set."""

FILE = {"bytes": Value("binary"), "path": Value("string")}
MESSAGES = List({"role": Value("string"), "content": Value("string")})
NAMES = List(Value("string"))
JUDGEMENTS = Features(
    {
        name: Value("string")
        for name in ("campaign", "task", "assignment", "rater", "subject", "kind", "criterion", "choice", "text")
    }
    | {name: Value("string") for name in ("first", "second", "left", "gold", "at")}
    | {name: Value("int32") for name in ("item", "round", "score", "guideline", "revision")}
    | {"answers": NAMES, "leak": Value("bool"), "known": Value("bool"), "seconds": Value("float64")}
)
ANSWERS = Features(
    {name: Value("string") for name in ("id", "system", "model", "revision", "settings", "text")}
    | {"item": Value("int32"), "seed": Value("int64"), "prompt": MESSAGES}
    | {f"{whose}{kind}s": List(feature()) for whose in ("", "prompt_") for kind, feature in (("image", Image), ("audio", Audio), ("video", Video))}
)  # fmt: skip
PREFERENCE = Features(
    {"prompt": MESSAGES, "chosen": MESSAGES, "rejected": MESSAGES, "margin": Value("float64"), "judgements": Value("int32")}
    | {"item": Value("int32"), "chosen_system": Value("string"), "rejected_system": Value("string")}
    | {"prompt_media": NAMES, "chosen_media": NAMES, "rejected_media": NAMES}
)
KTO = Features(
    {"prompt": MESSAGES, "completion": MESSAGES, "label": Value("bool"), "item": Value("int32"), "system": Value("string")}
    | {"prompt_media": NAMES, "completion_media": NAMES}
)


def export_dataset(reports: Reports, campaign: str, folder: Path) -> Material:
    """Writes the data set of a campaign, by its id, or of people's chats if it is `CHAT`; returns what is in it.

    Raises `NotFoundError` if there is no such campaign, and what `write_dataset` raises.
    """
    report, store = None if campaign == CHAT else reports.of(campaign), reports.campaigns.store
    with store.database.reading() as session:
        material = of_chats(session, store.content) if campaign == CHAT else of_campaign(session, store.content, campaign)
    write_dataset(material, report, folder)
    return material


def write_dataset(material: Material, report: Report | None, folder: Path) -> None:
    """Writes the data set into a folder, which is made. Raises `InputError` if there is nothing to write or too much."""
    if not material.answers:
        raise InputError(
            "There is nothing to write yet: no answer is finished, or, of chats, no thumb was given by somebody who agreed to its use."
        )
    media = {
        medium.sha256: medium for answer in material.answers for turn in (*answer.prompt, answer.turn) for medium in turn.media
    }
    there = {sha256: medium for sha256, medium in media.items() if medium.path.is_file()}
    if (megabytes := sum(medium.path.stat().st_size for medium in there.values()) / 10**6) > LARGEST_MB:
        raise InputError(f"There are {megabytes:,.0f} MB of media; a data set has up to {LARGEST_MB:,} MB. Make smaller campaigns.")
    names = {sha256: f"media/{sha256[:16]}{medium.path.suffix}" for sha256, medium in there.items()}
    (folder / "media").mkdir(parents=True, exist_ok=True)
    for sha256, medium in there.items():
        shutil.copyfile(medium.path, folder / names[sha256])
    judged = [_judgement(asdict(one)) for one in material.judgements]
    parts = {
        "judgements": (judged, JUDGEMENTS),
        "answers": ([_answer(one, there, names) for one in material.answers], ANSWERS),
        "preference": (preferences(material, names), PREFERENCE),
        "kto": (kto(material, names), KTO),
    }
    for name, (rows, features) in parts.items():
        if rows:
            _parquet(rows, features, folder / f"{name}.parquet")
    for name in ("judgements", "preference", "kto"):
        _lines(parts[name][0], folder / f"{name}.jsonl")
    _lines(material.audit, folder / "audit.jsonl")
    for version, text in enumerate(material.guidelines, 1):
        (folder / f"guidelines-{version}.md").write_text(text + "\n", encoding="utf-8")
    if material.mode != "thumbs":
        (folder / "label_studio.xml").write_text(config(material), encoding="utf-8")
        (folder / "label_studio.json").write_text(
            json.dumps(tasks(material, names), ensure_ascii=False, indent=1), encoding="utf-8"
        )
    counts = {name: len(rows) for name, (rows, _) in parts.items()}
    (folder / "README.md").write_text(card(material, report, counts), encoding="utf-8")
    _manifest(material, counts, folder)


def _judgement(row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "at": row["at"].isoformat(),
        "gold": None if row["gold"] is None else str(row["gold"]),
        "answers": list(row["answers"]),
    }


def _answer(answer: Answer, there: Mapping[str, Media], names: Names) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": answer.id,
        "item": answer.item,
        "system": answer.system,
        "model": answer.model,
        "revision": answer.revision,
        "seed": answer.seed,
        "settings": json.dumps(answer.settings, sort_keys=True),
        "prompt": messages(answer.prompt),
        "text": answer.turn.text,
    }
    for whose, turns in (("", (answer.turn,)), ("prompt_", answer.prompt)):
        for kind in ("image", "audio", "video"):
            shown = [medium for turn in turns for medium in turn.media if medium.kind == kind and medium.sha256 in there]
            row[f"{whose}{kind}s"] = [{"bytes": one.path.read_bytes(), "path": names[one.sha256]} for one in shown]
    return row


def _parquet(rows: list[dict[str, Any]], features: Features, path: Path) -> None:
    """Writes rows with the features of media. They are first written as plain bytes: `Audio` would decode them, for which it needs a library
    that is not needed to keep them."""
    shown = is_progress_bar_enabled()
    disable_progress_bars()
    try:
        plain = {
            name: List(FILE) if name.endswith(("images", "audios", "videos")) else feature for name, feature in features.items()
        }
        Dataset.from_list([{name: row[name] for name in features} for row in rows], features=Features(plain)).cast(
            features
        ).to_parquet(path)
    finally:
        if shown:
            enable_progress_bars()


def _lines(rows: Iterable[dict[str, Any]], path: Path) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _manifest(material: Material, counts: dict[str, int], folder: Path) -> None:
    """Says of every file how long it is and what its hash is."""
    listed = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    said = {
        "schema": SCHEMA,
        "campaign": material.name,
        "mode": material.mode,
        "written_by": f"nextgpt-chat {__version__}",
        "rows": counts,
        "files": listed,
    }
    (folder / "manifest.json").write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
