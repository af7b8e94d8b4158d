"""A report in words and figures, as Markdown tables: for a terminal and for a data card."""

from collections.abc import Sequence

from nextgpt_chat.annotate.agreement import Alpha, Share
from nextgpt_chat.annotate.clustered import Estimate
from nextgpt_chat.annotate.ranking import ELO, Ranking
from nextgpt_chat.annotate.report import Measure, Report
from nextgpt_chat.media.names import NOUNS


def as_markdown(report: Report) -> str:
    """The whole report."""
    counts = report.counts
    lines = [
        f"# {report.campaign}",
        "",
        f"{report.judgements} judgements by {len(report.raters)} annotators; {counts.done} of {counts.wanted} wanted items are done, "
        f"{counts.skipped} were skipped. {report.left_out} judgements are left out, since an answer gave away who made it.",
    ]
    if report.flags:
        lines += ["", "Flags: " + ", ".join(f"{name} {count}" for name, count in sorted(report.flags.items())) + "."]
    if report.measures:
        lines += ["", "## Agreement", "", *agreement_table(report.measures)]
    for measure in report.measures:
        lines += ["", f"## {heading(measure)}", "", *means_table(measure, report.mode)]
        if measure.ranking:
            lines += ["", *ranking_tables(measure.ranking)]
    if report.raters:
        lines += ["", "## Annotators", "", *raters_table(report)]
    return "\n".join(lines) + "\n"


def heading(measure: Measure) -> str:
    """What a measure is of."""
    return measure.title if measure.kind == "reply" else f"{measure.title}, {NOUNS[measure.kind]}s"


def agreement_table(measures: Sequence[Measure]) -> list[str]:
    """Alpha, raw agreement and the mean of kappas, by criterion."""
    rows = []
    for measure in measures:
        known = [one.value for one in measure.kappas if one.value is not None]
        kappa = f"{sum(known) / len(known):.2f} ({len(known)} pairs)" if known else "–"
        one = measure.agreement
        raw = "–" if one.raw is None else f"{one.raw:.0%}"
        rows.append([heading(measure), alpha_words(one), raw, kappa, str(one.units), str(one.raters)])
    return table(["criterion", "Krippendorff's alpha", "the same said", "Cohen's kappa, mean", "units", "raters"], rows)


def alpha_words(one: Alpha) -> str:
    """Alpha with its interval, or why there is none."""
    if one.value is None:
        return "– (nothing varies, or nothing is shared)"
    between = "" if one.low is None or one.high is None else f" ({one.low:.2f} to {one.high:.2f})"
    return f"{one.value:.2f}{between}"


def means_table(measure: Measure, mode: str) -> list[str]:
    """Means by system."""
    what = "wins" if mode == "pairwise" else "mean of 1 to 5"
    percent = mode == "pairwise"
    rows = [
        [name, interval(one, percent), str(one.n)] for name, one in sorted(measure.means.items(), key=lambda pair: -pair[1].value)
    ]
    return table(["system", f"{what} (95 %)", "judgements"], rows)


def ranking_tables(ranking: Ranking) -> list[str]:
    """Bradley-Terry scores, the win matrix and the position bias."""
    scores = [[name, interval(one), f"{one.value * ELO:+.0f}"] for name, one in ranking.scores.items()]
    lines = table(["system", "Bradley-Terry score, log-odds (95 %)", "Elo points"], scores)
    wins = [
        [f"{one.first} against {one.second}", str(one.won), str(one.lost), str(one.tied), str(one.bad), f"{one.share:.0%} ({one.low:.0%} to {one.high:.0%})"]
        for one in ranking.wins
    ]  # fmt: skip
    lines += ["", *table(["", "won", "lost", "tied", "both bad", "share (Wilson 95 %)"], wins), "", position_words(ranking)]
    if ranking.steadied:
        lines += [
            "",
            "Some system never lost or never won, so half a win and half a loss were added between all; its score is a lower bound.",
        ]
    return lines


def position_words(ranking: Ranking) -> str:
    """Whether the side decided."""
    won, of = ranking.left
    bias = ranking.position
    verdict = "There is a position bias" if bias.low > 0 or bias.high < 0 else "No position bias is seen"
    return f"{verdict}: the left side won {won} of {of} decided comparisons; log-odds {interval(bias)}, p = {bias.p:.3f}."


def raters_table(report: Report) -> list[str]:
    """What each annotator did."""
    rows = [
        [one.name, str(one.done), f"{one.seconds:.0f} s", share(one.golds), share(one.themselves), share(one.left)]
        for one in report.raters
    ]
    return table(["annotator", "items", "median time", "known answers right", "the same again", "chose left"], rows)


def share(one: Share) -> str:
    """How many of how many."""
    return f"{one.right} of {one.of}" if one.of else "–"


def interval(one: Estimate, percent: bool = False) -> str:
    """A number with its interval."""
    ends = [f"{value:.0%}" if percent else f"{value:.2f}" for value in (one.value, one.low, one.high)]
    return f"{ends[0]} (no interval)" if one.high == float("inf") else f"{ends[0]} ({ends[1]} to {ends[2]})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Markdown, with columns that line up."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [[cell.replace("|", "/").ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (head, *rows)]
    rule = ["-" * width for width in widths]
    return ["| " + " | ".join(line) + " |" for line in (lines[0], rule, *lines[1:])]
