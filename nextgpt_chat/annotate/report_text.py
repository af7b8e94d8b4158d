"""A report in words and tables: the same for a page, a terminal and a data card."""

from collections.abc import Sequence
from dataclasses import dataclass

from nextgpt_chat.annotate.agreement import Alpha, Share
from nextgpt_chat.annotate.clustered import Estimate
from nextgpt_chat.annotate.ranking import ELO, Ranking
from nextgpt_chat.annotate.report import Measure, Report
from nextgpt_chat.media.names import NOUNS

FEWEST_DECIDED = 10
"""Decided comparisons from which on something is said about the side."""


@dataclass(frozen=True)
class Table:
    """Rows below a head."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """Paragraphs and tables below a title."""

    title: str
    blocks: Sequence[str | Table]


def as_markdown(report: Report, level: int = 1) -> str:
    """The whole report; its title is a heading of that level."""
    blocks = [f"{'#' * level} {report.campaign}", summary(report)]
    for section in sections(report):
        blocks.append(f"{'#' * (level + 1)} {section.title}")
        blocks += ["\n".join(_lines(block)) if isinstance(block, Table) else block for block in section.blocks]
    return "\n\n".join(blocks) + "\n"


def summary(report: Report) -> str:
    """How much was judged, and what is left out."""
    counts = report.counts
    flags = ", ".join(f"{name} {count}" for name, count in sorted(report.flags.items()))
    return (
        f"{report.judgements} judgements by {len(report.raters)} annotators; {counts.done} of {counts.wanted} wanted items are done, "
        f"{counts.skipped} were skipped. {report.left_out} judgements are left out, since an answer gives away who made it."
    ) + (f" Flags: {flags}." if flags else "")


def sections(report: Report) -> list[Section]:
    """Agreement, one section for each criterion, and the annotators."""
    found = [Section("Agreement", [agreement_table(report.measures)])] if report.measures else []
    for measure in report.measures:
        blocks: list[str | Table] = [means_table(measure, report.mode)]
        found.append(Section(heading(measure), blocks + (ranking_blocks(measure.ranking) if measure.ranking else [])))
    found += [Section("Annotators", [raters_table(report)])] if report.raters else []
    noted = Table(["item", "annotator", "", ""], [[str(one.item), one.rater, one.what, one.text] for one in report.notes])
    return found + ([Section("Remarks", [noted])] if report.notes else [])


def heading(measure: Measure) -> str:
    """What a measure is of."""
    return measure.title if measure.kind == "reply" else f"{measure.title}, {NOUNS[measure.kind]}s"


def agreement_table(measures: Sequence[Measure]) -> Table:
    """Alpha, raw agreement and the mean of kappas, by criterion."""
    rows = []
    for measure in measures:
        known = [one.value for one in measure.kappas if one.value is not None]
        kappa = f"{sum(known) / len(known):.2f} ({len(known)} pairs)" if known else "–"
        one = measure.agreement
        raw = "–" if one.raw is None else f"{one.raw:.0%}"
        rows.append([heading(measure), alpha_words(one), raw, kappa, str(one.units), str(one.raters)])
    return Table(["criterion", "Krippendorff's alpha (95 %)", "the same said", "Cohen's kappa, mean", "units", "raters"], rows)


def alpha_words(one: Alpha) -> str:
    """Alpha with its interval, or why there is none."""
    if one.value is None:
        return "– (nothing varies, or nothing is shared)"
    between = "" if one.low is None or one.high is None else f" ({one.low:.2f} to {one.high:.2f})"
    return f"{one.value:.2f}{between}"


def means_table(measure: Measure, mode: str) -> Table:
    """Means by system, the best first."""
    percent = mode == "pairwise"
    ordered = sorted(measure.means.items(), key=lambda pair: -pair[1].value)
    rows = [[name, interval(one, percent), str(one.n)] for name, one in ordered]
    return Table(["system", f"{'wins' if percent else 'mean of 1 to 5'} (95 %)", "judgements"], rows)


def ranking_blocks(ranking: Ranking) -> list[str | Table]:
    """Bradley-Terry scores, the win matrix and the position bias."""
    scores = [[name, interval(one), f"{one.value * ELO:+.0f}"] for name, one in ranking.scores.items()]
    wins = [
        [f"{one.first} against {one.second}", str(one.won), str(one.lost), str(one.tied), str(one.bad), f"{one.share:.0%} ({one.low:.0%} to {one.high:.0%})"]
        for one in ranking.wins
    ]  # fmt: skip
    return [
        Table(["system", "Bradley-Terry score, log-odds (95 %)", "Elo points"], scores),
        Table(["", "won", "lost", "tied", "both bad", "share (Wilson 95 %)"], wins),
        position_words(ranking),
    ]


def position_words(ranking: Ranking) -> str:
    """Whether the side decided."""
    won, of = ranking.left
    bias = ranking.position
    if bias.high == float("inf") or of < FEWEST_DECIDED:
        return f"Whether the side matters cannot be told yet: the left side won {won} of {of} decided comparisons."
    verdict = "There is a position bias" if bias.low > 0 or bias.high < 0 else "No position bias is seen"
    return f"{verdict}: the left side won {won} of {of} decided comparisons; log-odds {interval(bias)}, p = {bias.p:.3f}."


def raters_table(report: Report) -> Table:
    """What each annotator did."""
    rows = [
        [one.name, str(one.done), f"{one.seconds:.0f} s", share(one.golds), share(one.themselves), share(one.left)]
        for one in report.raters
    ]
    return Table(["annotator", "items", "median time", "known answers right", "the same again", "chose left"], rows)


def share(one: Share) -> str:
    """How many of how many."""
    return f"{one.right} of {one.of}" if one.of else "–"


def interval(one: Estimate, percent: bool = False) -> str:
    """A number with its interval."""
    ends = [f"{value:.0%}" if percent else f"{value:.2f}" for value in (one.value, one.low, one.high)]
    return f"{ends[0]} (no interval)" if one.high == float("inf") else f"{ends[0]} ({ends[1]} to {ends[2]})"


def _lines(table: Table) -> list[str]:
    """A table in Markdown, with columns that line up."""
    widths = [max(len(row[column]) for row in (table.head, *table.rows)) for column in range(len(table.head))]
    lines = [
        [cell.replace("|", "/").replace("\n", " ").ljust(width) for cell, width in zip(row, widths, strict=True)]
        for row in (table.head, *table.rows)
    ]
    rule = ["-" * max(3, width) for width in widths]
    return ["| " + " | ".join(line) + " |" for line in (lines[0], rule, *lines[1:])]
