"""The special tokens, and the rule that a signal group, once begun, is always completed.

A signal group is the run of tokens (`[IMG0]` to `[IMG3]`) by which the language model asks for a medium (section 3 of the paper). A start
token before it asks for one that begins from an earlier medium: an edit, or a picture that begins to move. The paper has that use, and
no token for it.
"""

from dataclasses import dataclass

BEGIN, END, PAD = "<s>", "</s>", "<pad>"
USER, ASSISTANT = "<|user|>", "<|assistant|>"
WRAPPERS = {"image": ("<Img>", "</Img>"), "audio": ("<Aud>", "</Aud>"), "video": ("<Vid>", "</Vid>")}
"""The tokens around a medium that a person sent."""

START = "[FROM]"


def signal_names(prefix: str, count: int) -> list[str]:
    """`[IMG0]`, `[IMG1]`, ...; or `<image_00>`, `<image_01>`, ..., if the prefix is `<image_`."""
    if prefix.startswith("<"):
        return [f"{prefix}{i:02}>" for i in range(count)]
    return [f"[{prefix}{i}]" for i in range(count)]


def special_tokens(signals: dict[str, tuple[str, int]]) -> list[str]:
    """Every special token in the order of its id; `signals` gives prefix and count by kind of medium."""
    wrappers = [token for pair in WRAPPERS.values() for token in pair]
    groups = [name for prefix, count in signals.values() for name in signal_names(prefix, count)]
    return [PAD, BEGIN, END, USER, ASSISTANT, *wrappers, *groups, START]


@dataclass(frozen=True)
class SignalGroups:
    """The signal token ids of a language model, by kind of medium."""

    ids: dict[str, tuple[int, ...]]
    start: int | None = None
    """Id of the start token; None if the model has none."""
    between: int | None = None
    """Id of what stands between the tokens of a group, and elsewhere as well; None if nothing does."""

    @property
    def first(self) -> list[int]:
        """Ids that begin a group."""
        return [ids[0] for ids in self.ids.values()]

    def begun_by(self, token: int) -> str | None:
        """The kind of medium that `token` begins, or None."""
        return next((kind for kind, ids in self.ids.items() if ids[0] == token), None)

    @property
    def never_first(self) -> list[int]:
        """Ids that may not be chosen freely: they only ever follow the first of their group."""
        return [token for ids in self.ids.values() for token in ids[1:] if token != self.between]
