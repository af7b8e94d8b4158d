"""Signing in with a service: a small OpenID provider on a port of its own, with keys, codes and signed tokens as the standard has them."""

import base64
import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from nextgpt_chat.application import App
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.accounts import Role
from tests.conftest import scripted
from tests.web.test_server import DESCRIPTION, conversation_of, free_port, visitor

CLIENT, SECRET = "client of the test", "secret of the test"


@dataclass
class Provider:
    """Lets `person` in without asking, as one does who is signed in there already."""

    port: int
    person: dict[str, str] = field(default_factory=lambda: {"sub": "1", "preferred_username": "ada"})
    forge: bool = False
    """Signs tokens with a key that nobody knows."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256", "use": "sig"}))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.describe),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/keys", lambda _: JSONResponse({"keys": [self.key.as_dict(private=False)]})),
            ]
        )

    def describe(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
        )

    def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        code = f"code {len(self.codes)}"
        self.codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def token(self, request: Request) -> Response:
        given = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self.codes.pop(given["code"])
        challenge = base64.urlsafe_b64encode(hashlib.sha256(given["code_verifier"].encode()).digest()).decode().rstrip("=")
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if challenge != asked["code_challenge"] or request.headers["authorization"] != f"Basic {basic}":
            return JSONResponse({"error": "invalid_grant"}, 400)
        claims = {"iss": self.url, "aud": CLIENT, "iat": int(time.time()), "exp": int(time.time()) + 60, "nonce": asked["nonce"]}
        key = RSAKey.generate_key(2048) if self.forge else self.key
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims | self.person, key)
        return JSONResponse({"access_token": "x", "token_type": "bearer", "id_token": signed})


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    there = Provider(free_port())
    server = uvicorn.Server(uvicorn.Config(there.app(), port=there.port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield there
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def app(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    settings = Settings(
        data=tmp_path_factory.mktemp("data"),
        port=free_port(),
        accounts=False,
        oauth_provider=provider.url,
        oauth_client_id=CLIENT,
        oauth_client_secret=SECRET,
        admins="somebody, grace",
    )
    app = App(settings, [(DESCRIPTION, scripted)])
    app.launch()
    yield app
    app.close()


def come_back(client: httpx.Client) -> str:
    """To the service and as far as its answer: the address to which it sends the browser."""
    leave = client.get("/login/service")
    assert leave.status_code == 302
    back = httpx.get(leave.headers["location"]).headers["location"]
    assert back.startswith(f"{str(client.base_url).rstrip('/')}/login/callback?")
    return back


def test_whoever_the_service_vouches_for_is_the_same_in_every_browser(app: App, provider: Provider) -> None:
    provider.person = {"sub": "1", "preferred_username": "ada"}
    with visitor(app) as here, visitor(app) as there:
        assert ">Sign in with 127.0.0.1</a>" in here.get("/account").text
        conversation = conversation_of(app, here)
        for client in (here, there):
            assert client.get(come_back(client)).headers["location"] == "/"
            assert "ada@127.0.0.1" in client.get("/account").text
            assert client.get(f"/export/{conversation}.zip").status_code == 200
        provider.person = {"sub": "2", "preferred_username": "ada"}
        there.get(come_back(there))
        assert there.get(f"/export/{conversation}.zip").status_code == 404


def test_a_name_in_the_settings_is_an_admin(app: App, provider: Provider) -> None:
    for subject, name, role in (("3", "grace", Role.ADMIN), ("4", "mary", Role.USER)):
        provider.person = {"sub": subject, "preferred_username": name}
        with visitor(app) as client:
            client.get(come_back(client))
            assert app.store.accounts.role(app.visitors.required(dict(client.cookies))) == role


def test_answers_that_are_not_for_this_browser_or_are_forged_sign_nobody_in(app: App, provider: Provider) -> None:
    provider.person = {"sub": "5", "preferred_username": "mallory"}
    with visitor(app) as victim, visitor(app) as mallory:
        assert victim.get(come_back(mallory)).status_code == 400  # an answer to somebody else's question
        back = come_back(victim)
        assert victim.get(back.replace("code=", "code=x")).status_code == 400
        provider.forge = True
        try:
            refused = victim.get(come_back(victim))
        finally:
            provider.forge = False
        assert (refused.status_code, "Signing in did not work" in refused.text) == (400, True)
        assert victim.get("/login/callback").status_code == 400
        assert victim.get("/login/callback?error=access_denied").status_code == 400
        assert "You are signed in" not in victim.get("/account").text
    assert "mallory" not in "".join(one.name for one in app.store.accounts.all())


def test_a_service_that_is_away_gets_a_sentence(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, port=free_port(), oauth_client_id=CLIENT, oauth_provider=f"http://127.0.0.1:{free_port()}")
    app = App(settings, [(DESCRIPTION, scripted)])
    app.launch()
    try:
        with visitor(app) as client:
            answer = client.get("/login/service")
            assert (answer.status_code, "does not answer just now" in answer.text) == (502, True)
    finally:
        app.close()


def test_new_accounts_with_passwords_can_be_closed(app: App) -> None:
    with visitor(app) as client:
        assert "Or make an account" not in client.get("/account").text
        form = {"name": "ada", "password": "seven small birds"}
        origin = urlsplit(str(client.base_url))
        answer = client.post("/account/create", data=form, headers={"origin": f"{origin.scheme}://{origin.netloc}"})
        assert (answer.status_code, "cannot be made here" in answer.text) == (400, True)
