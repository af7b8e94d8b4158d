"""The errors of NExT-GPT Chat.

    NextGPTError
    ├── UserError            its message is shown to a person, as it stands
    │   ├── InputError       a message, a file or an option that cannot be accepted
    │   ├── NotFoundError    a conversation, a file or a model that is not there (or is somebody else's)
    │   │   └── GoneError    something that its owner took back
    │   ├── BusyError        too much at once: come back later
    │   └── SetupError       this machine or this installation lacks something
    └── Cancelled            a person pressed Stop; not a failure

Only the `UserError` branch reaches a screen. Every other exception goes to the log, and the person reads a general sentence.
The message of a `UserError` says what was given, what is accepted and what to do.
"""


class NextGPTError(Exception):
    """Base of every error that this package raises on purpose."""


class UserError(NextGPTError):
    """An error whose message is a complete sentence for the person who caused it."""


class InputError(UserError):
    """A message, a file or an option that cannot be accepted."""


class NotFoundError(UserError):
    """Something that does not exist, or that belongs to somebody else: the two are never told apart."""


class GoneError(NotFoundError):
    """Something that was there, and that its owner took back."""


class BusyError(UserError):
    """A limit on simultaneous work was reached."""


class SetupError(UserError):
    """This machine or this installation lacks something: a checkpoint, a library, a free port."""


class Cancelled(NextGPTError):
    """Work was stopped because a person asked for it."""
