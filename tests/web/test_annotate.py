"""The desk through its real endpoints: who may ask for what, and a campaign that is judged by simulated people whose tastes are known."""

import io
import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import exp
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import krippendorff
import numpy as np
import pytest

from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.plan import checked
from nextgpt_chat.annotate.ranking import Ranking
from nextgpt_chat.annotate.report import Report, Reports
from nextgpt_chat.application import App
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.accounts import Role
from nextgpt_chat.store.tables import new_id
from tests.annotating import NAMES, WORDS, answer, plan
from tests.conftest import scripted
from tests.web.test_account_page import person, send
from tests.web.test_server import DESCRIPTION, free_port, visitor

STRENGTH = {"walrus": 1.2, "heron": 0.2, "otter": -1.0}
"""How good the systems are, in log-odds; they answer by their words alone."""
SIDE = 1.4
"""How much better an answer looks on the left, in log-odds."""
TIES = 0.05
"""Share of judgements that see no difference."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    settings = Settings(data=tmp_path_factory.mktemp("data"), port=free_port(), max_requests_per_minute=100_000)
    folder = tmp_path_factory.mktemp("scripted")
    (folder / "nextgpt.json").write_text("{}")  # of which its revision is made
    app = App(settings, [(DESCRIPTION.model_copy(update={"folder": folder}), scripted)])
    app.launch()
    yield app
    app.close()


@contextmanager
def somebody(app: App, role: Role) -> Iterator[httpx.Client]:
    """A browser with an account of a role; its calls come from this site."""
    name = f"p{new_id()[:12]}"
    with person(app, name) as client:
        app.store.accounts.set_role(name, role)
        client.headers["origin"] = str(client.base_url).rstrip("/")
        yield client


def call(client: httpx.Client, path: str, **body: Any) -> Any:
    answered = client.post(f"/annotate/api/{path}", json=body)
    assert answered.status_code == 200, answered.text
    return answered.json()


def made(app: App, **given: Any) -> str:
    return Campaigns(app.store, app.settings).create(checked(plan() | {"name": new_id(), **given}))


Judge = Callable[[dict[str, Any]], dict[str, Any]]


def judge_all(client: httpx.Client, campaign: str, judge: Judge) -> int:
    """Works as the page does: drafts, then the judgement; returns how many."""
    call(client, "agree")
    count = 0
    while task := call(client, f"campaigns/{campaign}/next")["task"]:
        sheet = {"answers": judge(task), "seconds": 4.0, "played": {}, "flags": [], "comment": ""}
        call(client, f"tasks/{task['id']}/draft", sheet=sheet)
        call(client, f"tasks/{task['id']}/send", sheet=sheet)
        count += 1
    return count


def text_of(task: dict[str, Any], side: int) -> str:
    text: str = task["answers"][side]["parts"][0]["text"]
    return text


def taste(seed: int, side: float, noise: float = 1.0) -> Judge:
    """Somebody who likes systems by their strength, with a taste of their own, a lean to the left and as much noise as people have."""
    drawn = random.Random(seed)
    own = {name: drawn.gauss(0, 0.25) for name in NAMES}
    strength = {WORDS[name]: STRENGTH[name] + own[name] for name in NAMES}

    def judge(task: dict[str, Any]) -> dict[str, Any]:
        left, right = (strength[text_of(task, place).split()[0]] for place in (0, 1))
        odds = (left - right) / noise + side + drawn.gauss(0, 0.2)
        chosen = "tie" if drawn.random() < TIES else "left" if drawn.random() < 1 / (1 + exp(-odds)) else "right"
        return {question["key"]: chosen for question in task["questions"]}

    return judge


def simulated(
    app: App, side: float, seed: int, items: int = 30, raters: int = 6, repeats: float = 0.1, noise: float = 1.0
) -> tuple[str, Report, Ranking]:
    """A whole campaign, judged by several people at the same time."""
    known = [
        {"prompt": f"Known {n}.", "answers": [answer("walrus", 100 + n), answer("otter", 100 + n)], "gold": {"overall": "walrus"}}
        for n in range(6)
    ]
    listed = [*plan(items, NAMES)["items"], *known]
    campaign = made(app, items=listed, overlap=3, repeats=repeats, golds=0.1, seed=seed)

    def work(number: int) -> int:
        with somebody(app, Role.ANNOTATOR) as client:
            return judge_all(client, campaign, taste(1000 * seed + number, side, noise))

    with ThreadPoolExecutor(raters) as pool:
        done = list(pool.map(work, range(raters)))
    report = Reports(Campaigns(app.store, app.settings)).of(campaign)
    assert report.counts.done == report.counts.wanted == 3 * 3 * items
    assert sum(done) > report.counts.done  # known and repeated ones on top
    ranking = report.measures[0].ranking
    assert ranking
    return campaign, report, ranking


def test_a_simulated_campaign_gives_back_what_went_in(app: App) -> None:
    campaign, report, ranking = simulated(app, SIDE, seed=1, raters=8, repeats=0.5, noise=0.7)
    assert list(ranking.scores) == ["walrus", "heron", "otter"]
    assert ranking.scores["walrus"].low > ranking.scores["otter"].high
    assert ranking.position.low > 0.2
    assert ranking.position.p < 0.01
    assert sum(rater.golds.of for rater in report.raters) >= 6
    # Such people agree with themselves in about half of more than 100 repetitions: chance alone does not lead out of these bounds.
    again = [rater.themselves for rater in report.raters if rater.themselves.of]
    assert 0.3 < sum(one.right for one in again) / sum(one.of for one in again) < 1
    # The admin's figures, from the files that leave the server, by another way.
    with somebody(app, Role.ADMIN) as admin:
        packed = ZipFile(io.BytesIO(admin.get(f"/annotate/admin/{campaign}/dataset.zip").content))
        shown = admin.get(f"/annotate/admin/{campaign}").text
        said = admin.get(f"/annotate/admin/{campaign}/report.json").json()
    rows = [json.loads(line) for line in packed.read("judgements.jsonl").splitlines()]
    counted = [row for row in rows if row["round"] == 0 and row["gold"] is None and row["criterion"] == "overall"]
    assert len(counted) == 270
    people, units = sorted({row["rater"] for row in counted}), sorted({row["task"] for row in counted})
    matrix = np.full((len(people), len(units)), np.nan)
    for row in counted:
        matrix[people.index(row["rater"]), units.index(row["task"])] = ("first", "second", "tie", "bad").index(row["choice"])
    alpha = krippendorff.alpha(reliability_data=matrix, level_of_measurement="nominal")
    assert report.measures[0].agreement.value == pytest.approx(alpha)
    assert said["measures"][0]["agreement"]["value"] == pytest.approx(alpha)
    assert "There is a position bias" in shown
    lefts = [row["choice"] == row["left"] for row in counted if row["choice"] in ("first", "second")]
    assert ranking.left == (sum(lefts), len(lefts))


def test_without_a_bias_none_is_found_and_the_intervals_hold_the_truth(app: App) -> None:
    covered = []
    for seed in (11, 12, 13):
        _, _, ranking = simulated(app, 0.0, seed, items=16, raters=5)
        # What these people would say on average: as they choose, ties halved.
        truth = _on_average()
        covered += [one.low <= truth[name] <= one.high for name, one in ranking.scores.items()]
        covered.append(ranking.position.low <= 0 <= ranking.position.high)
    assert sum(covered) >= len(covered) - 3  # `tests/annotate/test_statistics.py` counts more exactly, without a server


def _on_average() -> dict[str, float]:
    """Bradley-Terry scores of an endless crowd of such people, by fixed point: shares of wins as they are on average."""
    drawn = np.random.default_rng(0)
    names, scores = list(NAMES), np.zeros(3)
    noise = drawn.normal(0, 0.25, (20_000, 3))
    share = np.full((3, 3), 0.5)
    for i in range(3):
        for j in range(3):
            if i != j:
                odds = STRENGTH[names[i]] - STRENGTH[names[j]] + noise[:, i] - noise[:, j]
                share[i, j] = (1 - TIES) * np.mean(1 / (1 + np.exp(-odds))) + TIES / 2
    for _ in range(500):
        expected = 1 / (1 + np.exp(-(scores[:, None] - scores[None, :])))
        scores += (share - expected).sum(1)
        scores -= scores.mean()
    return dict(zip(names, scores, strict=True))


def test_every_call_is_for_those_who_may(app: App) -> None:
    campaign = made(app)
    pages = [f"/annotate/admin/{campaign}", "/annotate/admin", *(f"/annotate/admin/{campaign}/{name}" for name in ("report.json", "report.md", "means.png", "dataset.zip"))]  # fmt: skip
    posts = [f"/annotate/api/{path}" for path in ("agree", f"campaigns/{campaign}/next", f"campaigns/{campaign}/back", "tasks/x/draft", "tasks/x/send", "tasks/x/skip")]  # fmt: skip
    forms = [
        "/annotate/admin/create",
        *(f"/annotate/admin/{campaign}/{verb}" for verb in ("open", "close", "again", "guidelines", "import")),
    ]
    with (
        somebody(app, Role.USER) as user,
        somebody(app, Role.ANNOTATOR) as annotator,
        httpx.Client(base_url=user.base_url) as nobody,
    ):
        nobody.headers["origin"] = user.headers["origin"]
        for client in (nobody, user):
            assert {client.get(page).status_code for page in [*pages, "/annotate/api/campaigns", "/annotate/media/x/left/0"]} == {
                404
            }
            assert {client.post(path, json={}).status_code for path in posts} == {404}
            assert {client.post(path, data={"x": "y"}).status_code for path in forms} == {404}
        assert {annotator.get(page).status_code for page in pages} == {404}
        assert {annotator.post(path, data={"x": "y"}).status_code for path in forms} == {404}
        for origin in ("https://elsewhere.example", "null", ""):
            assert annotator.post("/annotate/api/agree", json={}, headers={"origin": origin}).status_code == 400
        call(annotator, "agree")
        task = call(annotator, f"campaigns/{campaign}/next")["task"]
        with somebody(app, Role.ANNOTATOR) as other:
            call(other, "agree")
            for verb in ("draft", "send", "skip"):
                body = {"sheet": {"answers": {}}, "reason": "unclear"}
                assert other.post(f"/annotate/api/tasks/{task['id']}/{verb}", json=body).status_code == 404
        name = Campaigns(app.store, app.settings).get(campaign).name
        assert annotator.post(f"/annotate/api/campaigns/{name}/next", json={}).status_code == 404  # names are for admins


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"sheet": {"comment": "\\u0000"}}',
        b'{"sheet": {"answers": {"x": NaN}}}',
        b"[" * 5000,
        b'{"a": "' + b"x" * 70_000 + b'"}',
    ],
)
def test_what_no_page_sends_gets_a_sentence(app: App, body: bytes) -> None:
    with somebody(app, Role.ANNOTATOR) as client:
        call(client, "agree")
        task = call(client, f"campaigns/{made(app)}/next")["task"]
        for verb in ("draft", "send", "skip"):
            refused = client.post(f"/annotate/api/tasks/{task['id']}/{verb}", content=body)
            assert refused.status_code == 400
            assert refused.json()["error"].endswith(".")
        assert client.get(f"/annotate/media/{task['id']}/left/{'9' * 5000}").status_code == 404


def test_what_is_known_or_repeated_looks_like_all_else(app: App) -> None:
    known = [
        {"prompt": f"Known {n}.", "answers": [answer("walrus", n), answer("heron", n)], "gold": {"overall": "heron"}}
        for n in range(4)
    ]
    campaign = made(app, items=[*plan(20)["items"], *known], golds=0.2, repeats=0.2)
    with somebody(app, Role.ANNOTATOR) as client:
        call(client, "agree")
        shapes, steps = set(), []
        while (said := call(client, f"campaigns/{campaign}/next"))["task"]:
            before, task = call(client, f"campaigns/{campaign}/next")["campaign"]["left"], said["task"]
            shapes.add(json.dumps([sorted(task), sorted(said["campaign"])]))
            assert said["campaign"]["left"] == before
            steps.append(said["campaign"]["left"])
            call(client, f"tasks/{task['id']}/send", sheet={"answers": {"reply/overall": "tie"}})
        assert len(steps) > 20
        assert len(shapes) == 1
        assert set(steps) <= {20, 15, 10, 5, 0}


def test_an_admin_makes_a_campaign_and_takes_it_along(app: App) -> None:
    with somebody(app, Role.ADMIN) as admin:
        form = {
            "name": "from the form", "title": "Fruit", "mode": "absolute", "guidelines": "Judge well.", "criteria": "overall",
            "prompts": "hello\n\nagain\n", "model1": "scripted", "steps1": "3", "overlap": "1", "repeats": "0",
        }  # fmt: skip
        made_one = admin.post("/annotate/admin/create", files={"none": ("", b"")}, data=form)
        assert made_one.status_code == 303
        campaign = made_one.headers["location"].rsplit("/", 1)[-1]
        campaigns = Campaigns(app.store, app.settings)
        for _ in range(200):
            if campaigns.counts(campaign).answers == {"ready": 2}:
                break
            time.sleep(0.1)
        assert campaigns.counts(campaign).answers == {"ready": 2}
        for change, sentence in (
            ({"overlap": "nan"}, "not a number"),
            ({"seed1": "1e99"}, "not a number"),
            ({"name": ""}, "name"),
            ({"steps1": "0"}, "steps"),
            ({}, "already"),
        ):
            refused = admin.post("/annotate/admin/create", files={"none": ("", b"")}, data=form | change)
            assert refused.status_code == 400
            assert sentence in refused.text
            assert "Judge well." in refused.text  # nothing has to be written again
        with somebody(app, Role.ANNOTATOR) as client:
            call(client, "agree")
            task = call(client, f"campaigns/{campaign}/next")["task"]
            assert client.get(f"/annotate/media/{task['id']}/left/0").headers["content-type"] == "image/png"
            call(client, f"tasks/{task['id']}/send", sheet={"answers": {"reply/overall": 4}})
        assert "Averages by criterion" in admin.get(f"/annotate/admin/{campaign}").text
        assert admin.get(f"/annotate/admin/{campaign}/means.png").content[:4] == b"\x89PNG"
        assert admin.get(f"/annotate/admin/{campaign}/wins.png").status_code == 404
        assert "Overall" in admin.get(f"/annotate/admin/{campaign}/report.md").text
        for verb, words in (("close", "is closed"), ("open", "is open"), ("again", "0 answers")):
            assert words in admin.post(f"/annotate/admin/{campaign}/{verb}", files={"none": ("", b"")}).text
        assert "version 2" in admin.post(f"/annotate/admin/{campaign}/guidelines", data={"guidelines": "Judge better."}).text
        assert admin.post(f"/annotate/admin/{campaign}/import", files={"file": ("x.json", b"{")}).status_code == 400
        assert admin.post(f"/annotate/admin/{campaign}/other", data={"x": "y"}).status_code == 404
        assert admin.get("/annotate/admin/chat/dataset.zip").status_code in (200, 400)


def test_a_campaign_comes_as_a_file_too(app: App, tmp_path: Path) -> None:
    with somebody(app, Role.ADMIN) as admin:
        given = json.dumps(plan(2, NAMES[:2]) | {"name": "from a file $x^$ кампания"}).encode()
        sent = admin.post("/annotate/admin/create", files={"file": ("campaign.json", given)})
        assert sent.status_code == 303
        home = sent.headers["location"]
        with somebody(app, Role.ANNOTATOR) as client:
            judge_all(client, home.rsplit("/", 1)[-1], taste(1, 0))
        assert [admin.get(f"{home}/{name}.png").status_code for name in ("means", "scores", "wins")] == [200] * 3
        assert admin.get(f"{home}/dataset.zip").headers["content-type"] == "application/zip"
        reading = json.dumps(plan() | {"name": "x", "items": [{"prompt": "x", "answers": [{"system": "a", "parts": [{"kind": "image", "file": "/etc/passwd"}]}] * 1}], "mode": "absolute"}).encode()  # fmt: skip
        refused = admin.post("/annotate/admin/create", files={"file": ("campaign.json", reading)})
        assert refused.status_code == 400
        assert "outside" in refused.text


def test_chats_taken_along_keep_what_their_owner_decided(app: App) -> None:
    with visitor(app) as client, person(app, f"p{new_id()[:8]}") as owner:
        visitor_id, user = (app.visitors.required(dict(one.cookies)) for one in (client, owner))
        name = app.store.accounts.of(user)
        assert name
        app.store.consents.give(visitor_id)
        assert app.store.consents.given(visitor_id)
        send(client, "sign-in", name=name.name, password="seven small birds", along="yes")
        assert not app.store.consents.given(visitor_id)
        assert not app.store.consents.given(user)
