"""The status of an answer that refuses something."""

from nextgpt_chat.errors import BusyError, GoneError, NotFoundError, UserError


def status_of(error: UserError | None) -> int:
    """200 if nothing was wrong, 404 for what is not there, 410 for what was taken back, 429 for what is too much at once, 400 for all else."""
    match error:
        case None:
            return 200
        case GoneError():
            return 410
        case NotFoundError():
            return 404
        case BusyError():
            return 429
        case _:
            return 400
