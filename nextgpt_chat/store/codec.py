"""Events and parts as plain JSON values, and back, without loss."""

from dataclasses import asdict
from typing import Any

from nextgpt_chat.conversation import MEDIA, Media, Part, Text
from nextgpt_chat.events import Done, Event, Failed, MediaProgress, MediaReady, MediaStarted, Notice, Stats, TextDelta
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.store.tables import AssetRow, PartRow

EVENTS: dict[str, type[Any]] = {
    "text": TextDelta,
    "media_started": MediaStarted,
    "media_progress": MediaProgress,
    "media_ready": MediaReady,
    "notice": Notice,
    "done": Done,
    "failed": Failed,
}
KINDS = {kind: name for name, kind in EVENTS.items()}


def event_to_json(event: Event) -> tuple[str, dict[str, Any]]:
    """Name and fields of an event; paths are left out, since the content hash says where a file lies."""
    body = asdict(event)
    if isinstance(event, MediaReady):
        body["part"] = {**asdict(event.part), "kind": event.part.kind}
        del body["part"]["path"]
    return KINDS[type(event)], body


def event_from_json(name: str, body: dict[str, Any], content: ContentStore) -> Event:
    """The event that `event_to_json` was given."""
    if name == "media_ready":
        fields = dict(body["part"])
        kind = MEDIA[fields.pop("kind")]
        return MediaReady(body["index"], kind(path=content.path(fields["sha256"], fields["mime"]), **fields))
    if name == "done":
        return Done(Stats(**body["stats"]))
    event: Event = EVENTS[name](**body)
    return event


def part_to_row(part: Part, position: int) -> PartRow:
    """A part as a row at its place in a message."""
    if isinstance(part, Text):
        return PartRow(position=position, kind=part.kind, text=part.text, settings={})
    return PartRow(
        position=position, kind=part.kind, sha256=part.sha256, caption=part.caption, seed=part.seed, settings=part.settings
    )


def part_from_row(row: PartRow, content: ContentStore) -> Part:
    """The part that `part_to_row` was given."""
    if row.asset is None:
        return Text(row.text or "")
    asset = row.asset
    common: dict[str, Any] = {
        "sha256": asset.sha256,
        "path": content.path(asset.sha256, asset.mime),
        "mime": asset.mime,
        "caption": row.caption,
        "seed": row.seed,
        "settings": row.settings,
    }
    return MEDIA[row.kind](**common, **{name: getattr(asset, name) for name in ASSET_FIELDS[row.kind]})


ASSET_FIELDS = {
    "image": ("width", "height"),
    "audio": ("seconds", "rate"),
    "video": ("width", "height", "seconds", "frames"),
}
"""What a file is, beyond its bytes, by kind."""


def asset_row(part: Media) -> AssetRow:
    """The file behind a medium as a row."""
    return AssetRow(sha256=part.sha256, mime=part.mime, **{name: getattr(part, name) for name in ASSET_FIELDS[part.kind]})
