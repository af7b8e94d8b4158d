"""What is taken along of a conversation's media, and how much of it may be."""

from collections.abc import Sequence

from nextgpt_chat.conversation import Media
from nextgpt_chat.errors import InputError
from nextgpt_chat.store.conversations import Message


def media_once(messages: Sequence[Message]) -> dict[str, Media]:
    """Content hash -> medium, each once, in the order of the conversation."""
    return {medium.sha256: medium for message in messages for medium in message.turn.media}


def check_size(messages: Sequence[Message], most: int) -> None:
    """Raises `InputError` if the conversation's media are more than `most` megabytes together."""
    sizes = [medium.path.stat().st_size for medium in media_once(messages).values() if medium.path.is_file()]
    if (megabytes := sum(sizes) / 10**6) > most:
        raise InputError(
            f"This conversation has {megabytes:.0f} MB of media; up to {most} MB can be taken along in this form. Save its media one by one."
        )
