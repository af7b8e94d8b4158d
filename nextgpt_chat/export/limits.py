"""How much may be taken along at once."""

from collections.abc import Sequence

from nextgpt_chat.errors import InputError
from nextgpt_chat.store.conversations import Message


def check_size(messages: Sequence[Message], most: int) -> None:
    """Raises `InputError` if the conversation's media are more than `most` megabytes together."""
    sizes = {
        medium.path: medium.path.stat().st_size for message in messages for medium in message.turn.media if medium.path.is_file()
    }
    if (megabytes := sum(sizes.values()) / 10**6) > most:
        raise InputError(
            f"This conversation has {megabytes:.0f} MB of media; up to {most} MB can be taken along in this form. Save its media one by one."
        )
