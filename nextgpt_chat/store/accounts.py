"""Accounts: visitors with a name and a password, or with an identity that a sign-in service vouches for. Nobody needs one.

A visitor is known by a cookie alone. Whoever makes an account keeps what they have said until then, and comes back to it from any browser.
"""

import threading
import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from nextgpt_chat.errors import BusyError, InputError, NotFoundError
from nextgpt_chat.store.database import Database
from nextgpt_chat.store.raters import take_over
from nextgpt_chat.store.tables import AccountRow, ConversationRow, UserRow, new_id, now

NAME = (2, 40)
"""Fewest and most characters of a name."""
PASSWORD = (10, 200)
"""Fewest and most characters of a password. Its length is all that is asked of it, as NIST SP 800-63B advises."""
TRIES, WINDOW = 10, timedelta(minutes=15)
"""Wrong passwords for one name until its account is closed for the time of a window."""
WRONG = "There is no account with this name and this password."
HASHES = threading.Semaphore(2)
"""Passwords that are hashed at the same time: each takes 64 MiB and a core for a moment, as it should."""


class Role(StrEnum):
    """What an account may do; each may do what those before it may."""

    USER = "user"
    ANNOTATOR = "annotator"
    ADMIN = "admin"


@dataclass(frozen=True)
class Account:
    """Who somebody is."""

    user: str
    name: str
    role: Role
    generation: int
    """Raised whenever all browsers are signed out; a cookie counts only with the present one."""
    has_password: bool


class Accounts:
    """Makes accounts, and says whose a name, a password or an identity is."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._hasher = PasswordHasher()
        self._nobody = self._hasher.hash(new_id())

    def of(self, user: str) -> Account | None:
        """The account of a user; None for a visitor who has none."""
        with self.database.reading() as session:
            row = session.get(AccountRow, user)
            return None if row is None else _account(row)

    def role(self, user: str) -> Role:
        """What a user may do; visitors without an account are users."""
        account = self.of(user)
        return Role.USER if account is None else account.role

    def all(self, limit: int = 1000) -> list[Account]:
        """The accounts, by name."""
        with self.database.reading() as session:
            return [_account(row) for row in session.scalars(select(AccountRow).order_by(AccountRow.key).limit(limit))]

    def create(self, user: str, name: str, password: str) -> Account:
        """Makes an account of a visitor. Raises `InputError` for a name that is taken or no name, or a password that is too short."""
        name = _checked_name(name)
        hashed = self._hash(password)
        with self.database.session() as session:
            if session.get(AccountRow, user) is not None:
                raise InputError("You have an account already. Sign out to make another one.")
            return _account(_add(session, user, name, password=hashed))

    def sign_in(self, name: str, password: str) -> Account:
        """Whose name and password this is. Raises `InputError` if nobody's, `BusyError` after too many tries."""
        with self.database.reading() as session:
            row = session.scalar(select(AccountRow).where(AccountRow.key == _key(name)))
            self._check_open(row)
        right = self._fits(row.password if row and row.password else self._nobody, password)
        if row is None:
            raise InputError(WRONG)
        with self.database.session() as session:
            row = session.get_one(AccountRow, row.user_id)
            self._check_open(row)  # others may have tried meanwhile
            if not right or row.password is None:
                fresh = row.tried is None or row.tried < now() - WINDOW
                row.tries, row.tried = (1 if fresh else row.tries + 1), now()
            else:
                row.tries = 0
                if self._hasher.check_needs_rehash(row.password):
                    row.password = self._hash(password)
                return _account(row)
        raise InputError(WRONG)

    def vouched(self, visitor: str, subject: str, name: str) -> Account:
        """The account of an identity that a sign-in service vouches for; the first time one is made, of the visitor if they have none."""
        with self.database.session() as session:
            row = session.scalar(select(AccountRow).where(AccountRow.subject == subject))
            if row is None:
                user = visitor if session.get(AccountRow, visitor) is None else new_id()
                if session.scalar(select(AccountRow.user_id).where(AccountRow.key == _key(name))):
                    name = f"{name} {user[:6]}"  # somebody there had this name before and gave it up
                row = _add(session, user, name, subject=subject)
            return _account(row)

    def change_password(self, user: str, old: str, new: str) -> Account:
        """Sets another password and signs all browsers out. Raises `InputError` if the old one is wrong or the new one too short."""
        account = self.of(user)
        if account is None or not account.has_password:
            raise NotFoundError("You have no password here.")
        self.sign_in(account.name, old)
        return self.set_password(account.name, new)

    def set_password(self, name: str, password: str) -> Account:
        """Sets the password of a name, whoever asks, and signs all its browsers out. Raises as `change_password` does."""
        hashed = self._hash(password)
        with self.database.session() as session:
            row = _named(session, name)
            row.password, row.tries = hashed, 0
            row.generation += 1
            return _account(row)

    def sign_out_everywhere(self, user: str) -> None:
        """No cookie of this account counts any more."""
        with self.database.session() as session:
            session.execute(update(AccountRow).where(AccountRow.user_id == user).values(generation=AccountRow.generation + 1))

    def set_role(self, name: str, role: Role) -> Account:
        """Says what the account of a name may do. Raises `NotFoundError` if there is none."""
        with self.database.session() as session:
            row = _named(session, name)
            row.role = role
            return _account(row)

    def take_along(self, visitor: str, account: Account) -> int:
        """Gives an account the conversations of a visitor who has none; returns how many."""
        with self.database.session() as session:
            if session.get(AccountRow, visitor) is not None:
                return 0
            rows = session.scalars(select(ConversationRow).where(ConversationRow.user_id == visitor)).all()
            for row in rows:
                row.user_id = account.user
            take_over(session, visitor, account.user)
            return len(rows)

    def _check_open(self, row: AccountRow | None) -> None:
        """Raises `BusyError` while an account is closed because of wrong passwords."""
        if row is not None and row.tries >= TRIES and row.tried is not None and now() < row.tried + WINDOW:
            minutes = -(-(row.tried + WINDOW - now()) // timedelta(minutes=1))
            raise BusyError(f"{TRIES} wrong passwords were tried for this name. Try again in {minutes} minutes.")

    def _hash(self, password: str) -> str:
        if not PASSWORD[0] <= len(password) <= PASSWORD[1]:
            raise InputError(
                f"A password has between {PASSWORD[0]} and {PASSWORD[1]} characters; this one has {len(password)}. A few words in a row are a good one."
            )
        with HASHES:
            return self._hasher.hash(password)

    def _fits(self, hashed: str, password: str) -> bool:
        """Takes as long for a name that nobody has as for a wrong password, so that nothing is told about names."""
        if len(password) > PASSWORD[1]:
            return False
        try:
            with HASHES:
                return self._hasher.verify(hashed, password)
        except (Argon2Error, InvalidHashError):
            return False


def _account(row: AccountRow) -> Account:
    return Account(row.user_id, row.name, Role(row.role), row.generation, row.password is not None)


def _key(name: str) -> str:
    """What makes two names the same."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def _checked_name(name: str) -> str:
    name = unicodedata.normalize("NFKC", name.strip())
    if not NAME[0] <= len(name) <= NAME[1] or not all(letter.isalnum() or letter in "._-" for letter in name):
        raise InputError(
            f"A name has between {NAME[0]} and {NAME[1]} letters, digits, dots, hyphens and underscores, and no spaces."
        )
    return name


def _add(session: Session, user: str, name: str, **known: str) -> AccountRow:
    if session.scalar(select(AccountRow.user_id).where(AccountRow.key == _key(name))):
        raise InputError(f"The name {name} is taken. Choose another one.")
    if session.get(UserRow, user) is None:
        session.add(UserRow(id=user))
        session.flush()
    row = AccountRow(user_id=user, name=name, key=_key(name), role=Role.USER, generation=1, tries=0, **known)
    session.add(row)
    session.flush()
    return row


def _named(session: Session, name: str) -> AccountRow:
    row = session.scalar(select(AccountRow).where(AccountRow.key == _key(name)))
    if row is None:
        raise NotFoundError(f"There is no account with the name {name}.")
    return row
