"""`nextgpt-chat annotate`."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.dataset import export_dataset
from nextgpt_chat.annotate.label_studio import bring_in
from nextgpt_chat.annotate.material import CHAT
from nextgpt_chat.annotate.plain import read_json
from nextgpt_chat.annotate.plan_file import plan_in
from nextgpt_chat.annotate.report import Reports
from nextgpt_chat.annotate.report_text import as_markdown
from nextgpt_chat.errors import InputError
from nextgpt_chat.export.dialogue_file import text_of
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.audit import first_break, records
from nextgpt_chat.store.store import open_store


class Action(StrEnum):
    """What can be done with campaigns."""

    LIST = "list"
    CREATE = "create"
    OPEN = "open"
    CLOSE = "close"
    REPORT = "report"
    EXPORT = "export"
    IMPORT = "import"
    VERIFY = "verify"


NEEDS = {
    Action.CREATE: "create FILE",
    Action.OPEN: "open NAME",
    Action.CLOSE: "close NAME",
    Action.REPORT: "report NAME",
    Action.EXPORT: "export NAME FOLDER",
    Action.IMPORT: "import NAME FILE",
    Action.VERIFY: "verify NAME",
}
"""How each is written."""


def main(
    action: Annotated[Action, typer.Argument(help=f"list; {'; '.join(NEEDS.values())}.")],
    name: Annotated[
        str, typer.Argument(help=f"Name of the campaign, '{CHAT}' to export thumbs, or campaign.json or a ZIP of it to create.")
    ] = "",
    path: Annotated[
        Path | None, typer.Argument(help="Folder for the data set, or the JSON export of Label Studio to take judgements from.")
    ] = None,
) -> None:
    """Campaigns in which people judge answers, of the server with the same settings: made, listed, reported, exported, checked.

    Answers are made by the server while it runs; judging is done on its page /annotate.
    """
    if action in NEEDS and (not name or (path is None and action in (Action.EXPORT, Action.IMPORT))):
        raise InputError(f"Write: nextgpt-chat annotate {NEEDS[action]}")
    settings = Settings()
    store = open_store(settings)
    try:
        sys.stdout.write(_done(Campaigns(store, settings), action, name, path or Path()) + "\n")
    finally:
        store.close()


def _done(campaigns: Campaigns, action: Action, name: str, path: Path) -> str:
    match action:
        case Action.LIST:
            return _listed(campaigns)
        case Action.CREATE:
            with plan_in(Path(name)) as (plan, folder):
                campaigns.create(plan, folder)
            return f"The campaign {plan.name!r} is open."
        case Action.OPEN | Action.CLOSE:
            campaigns.set_open(campaigns.named(name).id, action == Action.OPEN)
            return f"The campaign {name!r} is {'open' if action == Action.OPEN else 'closed'}."
        case Action.REPORT:
            return as_markdown(Reports(campaigns).of(campaigns.named(name).id)).rstrip()
        case Action.EXPORT:
            return _exported(campaigns, name, path)
        case Action.IMPORT:
            return _imported(campaigns, name, path)
        case Action.VERIFY:
            return _verified(campaigns, name)


def _listed(campaigns: Campaigns) -> str:
    lines = []
    for one in campaigns.all():
        counts = campaigns.counts(one.id)
        answers = f"{counts.answers.get('ready', 0)} of {sum(counts.answers.values())} answers"
        lines.append(
            f"{one.name}  {one.mode}, {'open' if one.open else 'closed'}: {answers}, {counts.done} of {counts.wanted} judged"
        )
    return "\n".join(lines) or "There are no campaigns."


def _exported(campaigns: Campaigns, name: str, folder: Path) -> str:
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty. Name a new folder.")
    material = export_dataset(Reports(campaigns), CHAT if name == CHAT else campaigns.named(name).id, folder)
    return f"{len(material.judgements)} judgements of {len(material.answers)} answers are in {folder}."


def _imported(campaigns: Campaigns, name: str, file: Path) -> str:
    exported = read_json(text_of(file), str(file))
    with campaigns.store.database.session() as session:
        return str(bring_in(session, campaigns.store.content, campaigns.named(name).id, exported))


def _verified(campaigns: Campaigns, name: str) -> str:
    with campaigns.store.database.reading() as session:
        rows = records(session, campaigns.named(name).id)
    broken = first_break(rows)
    if broken is not None:
        raise InputError(f"Record {broken} of {len(rows)} is not as it was written, or one before it is missing.")
    return f"All {len(rows)} records are as they were written."
