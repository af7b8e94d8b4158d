"""Everything that lasts, opened together."""

from dataclasses import dataclass

from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.accounts import Accounts
from nextgpt_chat.store.conversations import Conversations
from nextgpt_chat.store.database import Database, open_database
from nextgpt_chat.store.jobs import Jobs
from nextgpt_chat.store.library import Library
from nextgpt_chat.store.raters import Consents
from nextgpt_chat.store.ratings import Ratings
from nextgpt_chat.store.shares import Shares


@dataclass(frozen=True)
class Store:
    """A database, the files beside it, and the queries on both."""

    database: Database
    content: ContentStore
    conversations: Conversations
    library: Library
    jobs: Jobs
    ratings: Ratings
    shares: Shares
    accounts: Accounts
    consents: Consents

    def close(self) -> None:
        """Closes the database."""
        self.database.close()


def open_store(settings: Settings) -> Store:
    """Opens the database at the newest schema. Raises `SetupError` if it cannot be used."""
    database, content = open_database(settings.database_url), ContentStore(settings.media)
    conversations = Conversations(database, content, settings)
    return Store(
        database,
        content,
        conversations,
        Library(database, content, settings),
        Jobs(database, content),
        Ratings(database),
        Shares(database, conversations),
        Accounts(database),
        Consents(database),
    )
