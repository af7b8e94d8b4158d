"""By what answers are judged: criteria with a written anchor for every point of their scale.

Instruction following, rationality and quality are those of NExT-GPT's human evaluation (section 6.2); the others look at single media.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Subject = Literal["reply", "media", "image", "audio", "video"]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
POINTS = 5
"""Points of a scale, from 1."""


class Criterion(BaseModel):
    """One question about an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
    question: Line
    """What is asked of one answer."""
    subject: Subject = "reply"
    """What it looks at: the whole reply, or each medium in it, or each of one kind."""
    compare: Line | None = None
    """What is asked of two answers; left out, it is made of the question."""
    anchors: Annotated[tuple[Line, ...], Field(min_length=POINTS, max_length=POINTS)]
    """What the points 1 to 5 mean, the worst first."""

    @property
    def comparison(self) -> str:
        """What is asked of two answers."""
        return self.compare or f"Which answer is better? {self.question}"


def _criterion(key: str, title: str, subject: Subject, question: str, compare: str, *anchors: str) -> Criterion:
    return Criterion(key=key, title=title, subject=subject, question=question, compare=compare, anchors=anchors)


STANDARD = {
    criterion.key: criterion
    for criterion in (
        _criterion(
            "overall", "Overall", "reply", "All in all, how good is the answer?",
            "Which answer is better, all in all?",
            "Useless.",
            "Of little use: most of it is wrong or missing.",
            "Of some use, with clear faults.",
            "Good, with small faults.",
            "Nothing to improve.",
        ),
        _criterion(
            "instruction", "Instruction following", "reply", "Does the answer do what was asked?",
            "Which answer does more of what was asked, and nothing else?",
            "It does nothing of what was asked.",
            "It does a small part, or something related.",
            "It does about half, or all of it with a serious fault.",
            "It does nearly all; what is missing matters little.",
            "It does everything that was asked and nothing that was not.",
        ),
        _criterion(
            "rationality", "Rationality", "reply", "Do text and media make sense, by themselves and together?",
            "Which answer makes more sense, in its parts and as a whole?",
            "They contradict each other or the request throughout.",
            "Serious contradictions, or steps that do not follow.",
            "Mostly sensible, with one clear contradiction.",
            "Sensible; a detail is odd.",
            "Everything follows and fits together.",
        ),
        _criterion(
            "quality", "Quality", "reply", "How well are text and media made, whatever was asked?",
            "Which answer is better made, whatever was asked?",
            "Broken: unreadable, noise, or nothing to recognise.",
            "Heavy flaws that spoil it.",
            "Flaws that one notices at once.",
            "Flaws that one finds by looking for them.",
            "No flaws.",
        ),
        _criterion(
            "modality", "Choice of modality", "reply", "Is it the right kind of answer: text, picture, sound, clip?",
            "Which is more the right kind of answer: text, picture, sound, clip?",
            "The wrong kind, of no use for the request.",
            "A kind that was needed is missing.",
            "The needed kinds are there among others that disturb.",
            "The needed kinds are there, and one that was not needed.",
            "Exactly the kinds that the request called for.",
        ),
        _criterion(
            "alignment", "Prompt alignment", "media", "Does it show, or let one hear, what was asked for?",
            "Which shows, or lets one hear, more of what was asked for?",
            "Something else entirely.",
            "The subject is hardly to be recognised.",
            "The subject is right; several attributes are wrong.",
            "One attribute is wrong.",
            "Subject and all attributes are right.",
        ),
        _criterion(
            "temporal", "Temporal consistency", "video", "Do things keep their look and move as they should over time?",
            "In which do things better keep their look and move as they should?",
            "Frames have nothing to do with each other.",
            "Things appear, vanish or change their shape all the time.",
            "Visible flicker or jumps.",
            "Small jitters when one looks for them.",
            "Steady throughout, with natural motion.",
        ),
        _criterion(
            "fidelity", "Audio fidelity", "audio", "How clean and natural does it sound?",
            "Which sounds cleaner and more natural?",
            "Noise alone.",
            "Strong distortion; the source is hard to make out.",
            "Clear artefacts; the source can be made out.",
            "Slight artefacts.",
            "As a good recording.",
        ),
    )
}  # fmt: skip
"""Criteria that a campaign may name by their keys."""

FLAGS = {
    "unsafe": "harmful or offensive",
    "identity": "tells which model made it",
    "damaged": "a file does not play or show",
    "prompt": "the request makes no sense",
}
"""What can be reported beside a judgement."""
SKIPS = {"unclear": "I cannot judge this", "damaged": "a file does not play or show", "disturbing": "I do not want to look at this"}
"""Why an item can be passed over."""
