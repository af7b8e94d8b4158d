from datetime import timedelta

import pytest

from nextgpt_chat.errors import BusyError, InputError, NotFoundError, UserError
from nextgpt_chat.store.accounts import PASSWORD, TRIES, WINDOW, WRONG, Role
from nextgpt_chat.store.tables import AccountRow, new_id
from tests.conftest import Opened

SECRET = "seven small birds"


def test_a_visitor_becomes_an_account_and_comes_back_by_name_and_password(store: Opened) -> None:
    user = new_id()
    conversation, _ = store.post(user)
    account = store.accounts.create(user, " Ada.L ", SECRET)
    assert (account.user, account.name, account.role) == (user, "Ada.L", Role.USER)
    assert store.accounts.sign_in("ada.l", SECRET) == account == store.accounts.of(user)
    assert store.library.summary(account.user, conversation)
    with store.database.reading() as session:
        kept = session.get_one(AccountRow, user).password
    assert kept is not None
    assert kept.startswith("$argon2id$")
    assert SECRET not in kept


@pytest.mark.parametrize("name", ["", "a", "a" * 41, "two words", "ada@huggingface.co", "<b>ada", "ada\n"[:-1] + "\u200b"])
def test_names_that_are_none_are_refused(store: Opened, name: str) -> None:
    with pytest.raises(InputError, match="A name has between 2 and 40 letters"):
        store.accounts.create(new_id(), name, SECRET)


@pytest.mark.parametrize("length", [0, PASSWORD[0] - 1, PASSWORD[1] + 1])
def test_passwords_that_are_too_short_or_too_long_are_refused(store: Opened, length: int) -> None:
    with pytest.raises(InputError, match=rf"between 10 and 200 characters; this one has {length}\."):
        store.accounts.create(new_id(), "ada", "x" * length)


def test_a_name_is_had_by_one_alone_however_it_is_written(store: Opened) -> None:
    store.accounts.create(new_id(), "ada", SECRET)
    for name in ("ada", "ADA", "ＡＤＡ"):
        with pytest.raises(InputError, match="is taken"):
            store.accounts.create(new_id(), name, SECRET)


def test_nothing_tells_a_wrong_name_from_a_wrong_password(store: Opened) -> None:
    store.accounts.create(new_id(), "ada", SECRET)
    store.accounts.vouched(new_id(), "https://service#1", "bob@service")
    for name, password in (("ada", "wrong password"), ("nobody", SECRET), ("bob@service", SECRET), ("ada", "x" * 10**6), ("", "")):
        with pytest.raises(InputError) as refused:
            store.accounts.sign_in(name, password)
        assert str(refused.value) == WRONG


def test_after_too_many_wrong_passwords_a_name_is_closed_for_a_while(store: Opened) -> None:
    user = new_id()
    store.accounts.create(user, "ada", SECRET)
    for _ in range(TRIES):
        with pytest.raises(InputError):
            store.accounts.sign_in("ada", "wrong password")
    with pytest.raises(BusyError, match=r"Try again in 15 minutes\."):
        store.accounts.sign_in("ada", SECRET)
    with store.database.session() as session:
        row = session.get_one(AccountRow, user)
        assert row.tried is not None
        row.tried -= WINDOW - timedelta(seconds=90)
    with pytest.raises(BusyError, match=r"Try again in 2 minutes\."):
        store.accounts.sign_in("ada", SECRET)
    with store.database.session() as session:
        row = session.get_one(AccountRow, user)
        assert row.tried is not None
        row.tried -= timedelta(seconds=91)
    assert store.accounts.sign_in("ada", SECRET).user == user
    with pytest.raises(InputError):  # and the count begins anew
        store.accounts.sign_in("ada", "wrong password")


def test_another_password_ends_the_old_cookies(store: Opened) -> None:
    user = new_id()
    before = store.accounts.create(user, "ada", SECRET)
    with pytest.raises(InputError):
        store.accounts.change_password(user, "wrong password", "eight small birds")
    with pytest.raises(InputError, match="A password has"):
        store.accounts.change_password(user, SECRET, "short")
    assert store.accounts.of(user) == before
    after = store.accounts.change_password(user, SECRET, "eight small birds")
    assert after.generation > before.generation
    store.accounts.sign_out_everywhere(user)
    assert store.accounts.sign_in("ada", "eight small birds").generation > after.generation
    with pytest.raises(InputError):
        store.accounts.sign_in("ada", SECRET)


def test_an_identity_finds_its_account_again(store: Opened) -> None:
    first, second = new_id(), new_id()
    account = store.accounts.vouched(first, "https://service#1", "ada@service")
    assert (account.user, account.has_password) == (first, False)
    assert store.accounts.vouched(second, "https://service#1", "renamed@service") == account
    with pytest.raises(NotFoundError):
        store.accounts.change_password(first, "", SECRET)
    # Whoever is signed in already and comes as somebody else becomes somebody else; so does the next who has that name there.
    other = store.accounts.vouched(first, "https://service#2", "ada@service")
    assert other.user != first
    assert other.name.startswith("ada@service ")


def test_the_chats_of_a_visitor_come_along_and_those_of_an_account_never(store: Opened) -> None:
    visitor, ada, bob = new_id(), new_id(), new_id()
    mine, of_bob = store.post(visitor)[0], store.post(bob)[0]
    account = store.accounts.create(ada, "ada", SECRET)
    store.accounts.create(bob, "bob", SECRET)
    assert store.accounts.take_along(visitor, account) == 1
    assert store.library.summary(ada, mine)
    with pytest.raises(NotFoundError):
        store.library.summary(visitor, mine)
    assert store.accounts.take_along(bob, account) == 0
    assert store.library.summary(bob, of_bob)


def test_roles_are_given_by_name(store: Opened) -> None:
    user = new_id()
    assert store.accounts.role(user) == Role.USER
    store.accounts.create(user, "ada", SECRET)
    store.accounts.set_role("ADA", Role.ANNOTATOR)
    assert store.accounts.role(user) == Role.ANNOTATOR
    assert [(one.name, one.role) for one in store.accounts.all()] == [("ada", Role.ANNOTATOR)]
    with pytest.raises(UserError, match="no account with the name bob"):
        store.accounts.set_role("bob", Role.ADMIN)


def test_whoever_erases_everything_has_no_account_any_more(store: Opened) -> None:
    user = new_id()
    store.accounts.create(user, "ada", SECRET)
    store.library.erase(user)
    assert store.accounts.of(user) is None
    assert store.accounts.create(new_id(), "ada", SECRET)
