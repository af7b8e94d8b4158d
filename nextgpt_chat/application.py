"""The application put together: database, engine, page, routes."""

import logging
import os
import socket
from collections.abc import Callable, Sequence

from starlette.middleware import Middleware

from nextgpt_chat.annotate.answers import EVERY as ANSWERS_EVERY
from nextgpt_chat.annotate.answers import Answering
from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.desk import Desk
from nextgpt_chat.checkpoint import Checkpoint
from nextgpt_chat.engine.models import Models
from nextgpt_chat.engine.periodic import Periodic
from nextgpt_chat.engine.worker import Worker
from nextgpt_chat.errors import SetupError
from nextgpt_chat.events import Model
from nextgpt_chat.media.blind import Blind
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.snapshot import Snapshot
from nextgpt_chat.store.store import open_store
from nextgpt_chat.ui.chat_page import ChatPage
from nextgpt_chat.ui.i18n import TRANSLATED
from nextgpt_chat.ui.theme import CSS, HEAD, theme
from nextgpt_chat.web.account_page import AccountPage
from nextgpt_chat.web.annotate_admin import AdminPages
from nextgpt_chat.web.annotate_desk import DeskPage
from nextgpt_chat.web.openid import OpenID
from nextgpt_chat.web.rate_limit import RateLimit
from nextgpt_chat.web.routes import routes
from nextgpt_chat.web.security import SecurityHeaders
from nextgpt_chat.web.visitor import VisitorMiddleware, Visitors, signing_key

log = logging.getLogger(__name__)

Load = Callable[[ContentStore], Model]
"""Loads a model that keeps what it makes in a content store."""


class App:
    """Everything that runs in one server process."""

    def __init__(self, settings: Settings, models: Sequence[tuple[Checkpoint, Load]]) -> None:
        """Opens the database. Each model is loaded in its engine's thread, so the page is up before the models are."""
        self.settings = settings
        self.snapshot = Snapshot(settings, settings.snapshot) if settings.snapshot else None
        if self.snapshot and self.snapshot.restore():
            log.info("everything that lasts was brought back from %s", settings.snapshot)
        self.store = open_store(settings)
        self.models = Models([(checkpoint, self._engine(checkpoint, load)) for checkpoint, load in models])
        key, accounts = signing_key(settings.data), self.store.accounts
        self.visitors = Visitors(key, accounts, settings.media_url_seconds, settings.root_path)
        client = (settings.oauth_client_id, settings.oauth_client_secret.get_secret_value())
        self.openid = OpenID(self.visitors, accounts, key, settings.oauth_provider, client, settings.admins) if client[0] else None
        self.account_page = AccountPage(self.visitors, accounts, settings.accounts, self.openid.name if self.openid else "")
        blind = Blind(settings.data / "blind")
        campaigns = Campaigns(self.store, settings)
        self.desk_page = DeskPage(self.visitors, campaigns, Desk(self.store), blind)
        self.admin_pages = AdminPages(self.visitors, campaigns, self.models.names)
        answering = Answering(self.store.database, self.store.content, self._ready, self.models.notify)
        self.chores = [Periodic("removal of what is left over", self.store.library.sweep)]
        self.chores.append(Periodic("removal of files for annotators", lambda: blind.sweep(self.store.library.hashes())))
        self.chores.append(Periodic("campaigns' answers", answering, ANSWERS_EVERY))
        if self.snapshot:
            self.chores.append(Periodic("snapshot", self.snapshot.write))
        self.page = ChatPage(settings, self.models, self.store, self.visitors)

    def _engine(self, checkpoint: Checkpoint, load: Load) -> Worker:
        return Worker(self.store.jobs, lambda: load(self.store.content), checkpoint.name)

    def _ready(self) -> dict[str, Callable[[], str]]:
        """The models that are loaded, each with the revision of its weights."""
        pairs = zip(self.models.checkpoints, self.models.workers, strict=True)
        return {checkpoint.name: checkpoint.revision for checkpoint, worker in pairs if worker.state == "ready"}

    def launch(self) -> str:
        """Starts to serve in the background and returns the address. Raises `SetupError` if the port is taken."""
        settings = self.settings
        check_port(settings.host, settings.port)
        uploads = (settings.data / "uploads").resolve()
        uploads.mkdir(parents=True, exist_ok=True)
        os.environ["GRADIO_TEMP_DIR"] = str(uploads)
        for chore in self.chores:
            chore.start()
        self.models.start()
        blocks = self.page.build()
        blocks.queue(max_size=200, default_concurrency_limit=None)
        _, url, _ = blocks.launch(
            server_name=settings.host,
            server_port=settings.port,
            root_path=settings.root_path,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            show_error=False,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            strict_cors=True,
            max_file_size=settings.max_upload_mb * 10**6,
            theme=theme(),
            css=CSS,
            head=HEAD,
            i18n=TRANSLATED,
            app_kwargs={
                "routes": [
                    *routes(self.visitors, self.store, self.models),
                    *self.account_page.routes(),
                    *self.admin_pages.routes(),
                    *self.desk_page.routes(),
                    *(self.openid.routes() if self.openid else ()),
                ],
                "middleware": [
                    Middleware(SecurityHeaders),
                    Middleware(RateLimit, most=settings.max_requests_per_minute, proxies=settings.proxies),
                    Middleware(VisitorMiddleware, visitors=self.visitors),
                ],
            },
        )
        self.blocks = blocks
        return str(url)

    def close(self) -> None:
        """Ends the running reply, the page and the database, and writes the last snapshot."""
        self.models.stop(self.settings.drain_seconds)
        for chore in self.chores:
            chore.stop()
        if hasattr(self, "blocks"):
            self.blocks.close(verbose=False)
        self.store.close()
        if self.snapshot:
            self.snapshot.write()


def check_port(host: str, port: int) -> None:
    """Raises `SetupError` if something else listens there: a server that moves to another port is not found again."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SetupError(
                f"Port {port} on {host} cannot be used: {error.strerror}. Stop the other program, or choose another port with NEXTGPT_PORT or --port."
            ) from error
