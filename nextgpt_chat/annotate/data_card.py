"""The data card: what the data set is, how it came to be, and how far its judges agree."""

import json

from nextgpt_chat.annotate.material import Material
from nextgpt_chat.annotate.preferences import BAD, GOOD, LEAST_APART, deciding
from nextgpt_chat.annotate.report import Report
from nextgpt_chat.annotate.report_text import as_markdown

WHAT = {
    "pairwise": "Two answers to the same request stood side by side, without names, in random order; annotators chose the better one.",
    "absolute": "One answer at a time was shown, without a name; annotators gave 1 to 5 points by written anchors.",
    "thumbs": "People judged replies in their own chats by a thumb, and agreed to that being used.",
}


def card(material: Material, report: Report | None, counts: dict[str, int]) -> str:
    """`README.md` of the data set, with the head by which `datasets` finds its files."""
    there = [name for name in ("judgements", "answers", "preference", "kto") if counts[name]]
    head = ["---", f"pretty_name: {json.dumps(material.name)}", "tags:", "- human-feedback", "- multimodal", "configs:"]
    for name in there:
        head += [f"- config_name: {name}", f"  data_files: {name}.parquet"]
    lines = [*head, "---", "", f"# {_plain(material.name)}", "", WHAT[material.mode], ""]
    lines += [f"- `{name}`: {counts[name]} rows. {ABOUT[name]}" for name in there]
    lines += [
        "- `audit.jsonl`: what happened, in order; `manifest.json`: the hash of every file; `guidelines-N.md`: what annotators were told.",
        "",
        "Annotators are pseudonymous, and called otherwise in every campaign. Answers that give away who made them (`leak`), second judgements of the "
        "same item by the same person (`round` 1), flags and comments are in `judgements`, and neither in the statistics nor in `preference` and `kto`.",
    ]
    if material.mode == "absolute":
        lines += ["", f"In `kto` an answer with a mean of {GOOD:g} points or more by `{deciding(material)}` is desirable, one with {BAD:g} or less is not; "
                  f"in `preference` the means of two answers differ by {LEAST_APART:g} point or more."]  # fmt: skip
    for criterion in material.criteria:
        lines += ["", f"**{criterion.title}** (`{criterion.key}`, {criterion.subject}): {criterion.question}"]
        lines += [f"{points}. {anchor}" for points, anchor in enumerate(criterion.anchors, 1)]
    text = "\n".join(lines) + "\n"
    return f"{text}\n## Statistics\n\n{as_markdown(report, level=3)}" if report else text


ABOUT = {
    "judgements": "One row for each answer of a person to one question.",
    "answers": "Requests and answers, with their media.",
    "preference": "For TRL's preference trainers: `prompt`, `chosen`, `rejected`.",
    "kto": "For TRL's KTO trainer: `prompt`, `completion`, `label`.",
}


def _plain(text: str) -> str:
    return text.replace("\n", " ")
