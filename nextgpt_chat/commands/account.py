"""`nextgpt-chat account`."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from nextgpt_chat.errors import InputError
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.accounts import Accounts, Role
from nextgpt_chat.store.database import open_database


class Action(StrEnum):
    """What can be done with accounts."""

    LIST = "list"
    ROLE = "role"
    PASSWORD = "password"


def main(
    action: Annotated[Action, typer.Argument(help="list all; role NAME ROLE; password NAME, which is then asked for.")],
    name: Annotated[str, typer.Argument(help="Name of the account.")] = "",
    role: Annotated[str, typer.Argument(help=f"One of {', '.join(Role)}.")] = "",
) -> None:
    """Accounts of the server with the same settings: who there is, what they may do, and passwords that were forgotten."""
    database = open_database(Settings().database_url)
    try:
        sys.stdout.write("\n".join(_done(Accounts(database), action, name, role)) + "\n")
    finally:
        database.close()


def _done(accounts: Accounts, action: Action, name: str, role: str) -> list[str]:
    if action == Action.LIST:
        return [f"{one.name}  {one.role}" for one in accounts.all()] or ["There are no accounts."]
    if not name:
        raise InputError(f"Say whose: nextgpt-chat account {action} NAME")
    if action == Action.PASSWORD:
        accounts.set_password(name, typer.prompt("New password", hide_input=True, confirmation_prompt=True))
        return [f"The password of {name} is changed; its browsers are signed out."]
    if role not in list(Role):
        raise InputError(f"The roles are {', '.join(Role)}.")
    return [f"{name} is {accounts.set_role(name, Role(role)).role} now."]
