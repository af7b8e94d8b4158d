"""What media are called, in sentences and as files that a person keeps."""

import re

from nextgpt_chat.conversation import Media

NOUNS = {"image": "picture", "video": "clip", "audio": "sound"}
LONGEST_STEM = 60
"""Most characters of a caption in a file name."""


def file_name(part: Media) -> str:
    """Under which name a medium is saved: what it shows, and the seed, which tells those apart that show the same."""
    stem = re.sub(r"\W+", "-", part.caption or "").strip("-").lower()[:LONGEST_STEM].rstrip("-") or NOUNS[part.kind]
    return f"{stem}-{part.sha256[:8] if part.seed is None else f'seed-{part.seed}'}{part.path.suffix}"


def described(part: Media, made: bool) -> str:
    """What stands in for a medium where it cannot be seen or heard; `made` is whether a model made it."""
    return f"AI-generated {NOUNS[part.kind]}: {part.caption}" if made else f"Your {NOUNS[part.kind]}"
