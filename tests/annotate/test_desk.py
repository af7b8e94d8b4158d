from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update

from nextgpt_chat import __version__
from nextgpt_chat.annotate import desk as desks
from nextgpt_chat.annotate.campaigns import Campaigns
from nextgpt_chat.annotate.desk import Desk
from nextgpt_chat.annotate.plan import checked
from nextgpt_chat.annotate.sheet import Sheet, checked_sheet
from nextgpt_chat.errors import InputError, NotFoundError
from nextgpt_chat.events import Done, Stats, TextDelta
from nextgpt_chat.media.audio_file import encode_wav
from nextgpt_chat.settings import Settings
from nextgpt_chat.store.annotation_tables import AssignmentRow, AuditRow, JudgementRow
from nextgpt_chat.store.audit import first_break, records
from nextgpt_chat.store.tables import now
from tests.annotating import NAMES, WORDS, annotator, answer, create, filled, plan, rows_of, work
from tests.conftest import Opened


def by_word(word: str) -> object:
    """Chooses the answer that has a word in it."""
    return lambda shown: filled(shown, "left" if word in shown.answers[0].text else "right")


def test_a_task_is_shown_judged_and_written_in_its_own_order(store: Opened, settings: Settings) -> None:
    campaign, desk, user = create(store, settings, count=12), Desk(store), annotator(store)
    seen = work(desk, user, campaign, by_word("apple"))  # type: ignore[arg-type]
    assert len(seen) == 12
    assert {shown.prompt[0].text for shown in seen} == {f"Say {item}." for item in range(12)}
    rows = rows_of(store, campaign)
    # The walrus says apple, on whichever side it stands: both sides happen, and the judgement is the same.
    assert {(row.first, row.second, row.choice) for row in rows} == {("walrus", "heron", "first")}
    assert {row.left for row in rows} == {"first", "second"}
    lefts = ["first" if WORDS["walrus"] in shown.answers[0].text else "second" for shown in seen]
    assert [row.left for row in rows] == lefts
    assert desk.next(user, campaign) is None
    assert (desk.progress(user, campaign).done, desk.progress(user, campaign).left) == (12, 0)


def test_nobody_works_without_having_agreed(store: Opened, settings: Settings) -> None:
    campaign = create(store, settings)
    with pytest.raises(InputError, match="accept"):
        Desk(store).next("f" * 32, campaign)


def test_an_open_task_comes_back_with_what_was_filled_in(store: Opened, settings: Settings) -> None:
    campaign, desk, user = create(store, settings), Desk(store), annotator(store)
    shown = desk.next(user, campaign)
    assert shown
    sheet = Sheet(answers={"reply/overall": "tie"}, comment="half", flags=["unsafe"], seconds=3)
    desk.save(user, shown.assignment, sheet)
    again = desk.next(user, campaign)
    assert again
    assert (again.assignment, Sheet(**again.sheet)) == (shown.assignment, sheet)


def test_a_judgement_must_be_whole(store: Opened, settings: Settings) -> None:
    campaign, desk, user = create(store, settings, criteria=["overall", "quality"]), Desk(store), annotator(store)
    shown = desk.next(user, campaign)
    assert shown
    for answers, sentence in (
        ({"reply/overall": "left"}, "“Quality” is not judged"),
        ({"reply/overall": "left", "reply/quality": 3}, "by a choice"),
        ({"reply/overall": "left", "reply/quality": "tie", "reply/more": "tie"}, "There is no"),
    ):
        with pytest.raises(InputError, match=sentence):
            desk.send(user, shown.assignment, Sheet(answers=answers))
    assert not rows_of(store, campaign)
    for value in (
        {"answers": {"reply/overall": "center"}},
        {"answers": {"reply/overall": 9}},
        {"flags": ["x"]},
        {"played": {"left/0": 2}},
        [],
        None,
    ):
        with pytest.raises(InputError, match="cannot be read"):
            checked_sheet(value)


def test_sending_again_is_another_revision_and_nothing_is_lost(store: Opened, settings: Settings) -> None:
    campaign, desk, user = create(store, settings), Desk(store), annotator(store)
    (shown,) = work(desk, user, campaign, most=1)
    desk.send(user, shown.assignment, filled(shown))  # the browser did not hear the answer: the same again changes nothing
    back = desk.back(user, campaign)
    assert (back.assignment, back.sent, back.sheet["answers"]) == (shown.assignment, True, {"reply/overall": "left"})
    desk.send(user, back.assignment, filled(back, "tie", comment="on second thought", flags=["prompt"]))
    assert [(row.criterion, row.choice, row.text, row.revision) for row in rows_of(store, campaign)] == [
        ("overall", "tie", None, 2), ("flag", "prompt", None, 2), ("comment", None, "on second thought", 2),
    ]  # fmt: skip
    with store.database.reading() as session:
        assert [row.revision for row in session.scalars(select(JudgementRow).where(JudgementRow.criterion == "overall"))] == [1, 2]
        sent = [row for row in records(session, campaign) if row.action == "sent"]
    assert [row.body["revision"] for row in sent] == [1, 2]
    assert sent[1].body["before"]["answers"] == {"reply/overall": "left"}
    with pytest.raises(NotFoundError, match="nothing before"):
        desk.back(user, campaign, shown.assignment)


def test_the_record_says_who_judged_what_in_which_order_and_how_it_was_made(store: Opened, settings: Settings) -> None:
    made = {"model": "walrus-7b", "revision": "abc", "seed": 7, "settings": {"steps": 4}}
    items = [{"prompt": "Say.", "answers": [answer("walrus", 1, **made), answer("heron", 1)]}]
    campaigns = Campaigns(store, settings)
    campaign, desk, user = campaigns.create(checked({**plan(), "items": items})), Desk(store), annotator(store)
    campaigns.set_guidelines(campaign, "Judge better.")
    (shown,) = work(desk, user, campaign)
    with store.database.reading() as session:
        rows = records(session, campaign)
        assignment = session.get_one(AssignmentRow, shown.assignment)
    assert [row.action for row in rows] == ["created", "guidelines", "opened", "sent"]
    body = rows[-1].body
    assert (body["guideline"], body["swapped"], rows[-1].rater_id) == (2, assignment.swapped, assignment.rater_id)
    assert {key: body["answers"][0][key] for key in ("system", *made)} == {"system": "walrus", **made}
    assert body["app"] == __version__
    assert first_break(rows) is None


def test_one_may_skip_with_a_reason_and_come_back_to_it(store: Opened, settings: Settings) -> None:
    campaign, desk, user = create(store, settings, count=2), Desk(store), annotator(store)
    shown = desk.next(user, campaign)
    assert shown
    with pytest.raises(InputError, match="reasons are"):
        desk.skip(user, shown.assignment, "bored", Sheet())
    desk.skip(user, shown.assignment, "unclear", Sheet(comment="what?"))
    other = desk.next(user, campaign)
    assert other
    assert other.assignment != shown.assignment
    assert desk.back(user, campaign).assignment == shown.assignment
    assert not rows_of(store, campaign)
    desk.send(user, shown.assignment, filled(shown))
    assert len(rows_of(store, campaign)) == 1


def test_what_is_somebody_elses_is_not_there(store: Opened, settings: Settings) -> None:
    campaign, desk = create(store, settings), Desk(store)
    user, other = annotator(store, 1), annotator(store, 2)
    shown = desk.next(user, campaign)
    assert shown
    for attempt in (
        lambda: desk.shown(other, shown.assignment),
        lambda: desk.save(other, shown.assignment, Sheet()),
        lambda: desk.send(other, shown.assignment, filled(shown)),
        lambda: desk.skip(other, shown.assignment, "unclear", Sheet()),
    ):
        with pytest.raises(NotFoundError):
            attempt()


def test_sounds_and_clips_must_be_played(store: Opened, settings: Settings, tmp_path: Path) -> None:
    for name, pitch in (("a.wav", 440), ("b.wav", 330)):
        (tmp_path / name).write_bytes(encode_wav(0.5 * np.sin(np.arange(16_000) * pitch * 2 * np.pi / 16_000), 16_000, {}))
    answers = [
        {"system": name, "parts": [{"kind": "audio", "file": file}]} for name, file in (("walrus", "a.wav"), ("heron", "b.wav"))
    ]
    campaign = Campaigns(store, settings).create(
        checked(
            {
                **plan(),
                "criteria": ["overall", "fidelity", "alignment", "temporal"],
                "items": [{"prompt": "Sing.", "answers": answers}],
            }
        ),
        tmp_path,
    )
    desk, user = Desk(store), annotator(store)
    shown = desk.next(user, campaign)
    assert shown
    assert [question.key for question in shown.questions] == ["reply/overall", "audio/fidelity", "audio/alignment"]
    assert shown.timed == ["left/0", "right/0"]
    with pytest.raises(InputError, match="number 1 of answer B"):
        desk.send(user, shown.assignment, filled(shown, played={"left/0": 1.0, "right/0": 0.5}))
    desk.send(user, shown.assignment, filled(shown, played={"left/0": 0.95, "right/0": 0.9}))
    assert {(row.subject, row.kind) for row in rows_of(store, campaign)} == {("reply", "reply"), ("audio", "audio")}


def test_one_answer_at_a_time_is_judged_medium_by_medium(store: Opened, settings: Settings) -> None:
    campaign, desk, user = (
        create(store, settings, count=2, mode="absolute", criteria=["overall", "alignment"]),
        Desk(store),
        annotator(store),
    )
    seen = work(desk, user, campaign, lambda shown: filled(shown, 4))
    assert len(seen) == 4
    assert [question.key for question in seen[0].questions] == ["reply/overall"]  # there is no medium
    assert {(row.first, row.second, row.score) for row in rows_of(store, campaign)} == {("walrus", None, 4), ("heron", None, 4)}


def test_a_closed_campaign_gives_nothing_new_and_takes_what_is_open(store: Opened, settings: Settings) -> None:
    campaign, desk, user = create(store, settings), Desk(store), annotator(store)
    shown = desk.next(user, campaign)
    assert shown
    Campaigns(store, settings).set_open(campaign, False)
    assert desk.next(user, campaign)  # what is on the screen stays there
    desk.send(user, shown.assignment, filled(shown))
    assert desk.next(user, campaign) is None
    assert len(rows_of(store, campaign)) == 1


def test_whose_conversation_it_was_can_take_it_back(store: Opened, settings: Settings) -> None:
    owner = annotator(store, 9)
    store.post(owner)
    _answered(store)
    campaigns, desk, user = Campaigns(store, settings), Desk(store), annotator(store)
    stored = checked({**plan(), "mode": "absolute", "items": [], "conversations": 1})
    with pytest.raises(InputError, match="people agreed to 0"):
        campaigns.create(stored)
    store.consents.give(owner)
    campaign = campaigns.create(stored)
    assert desk.next(owner, campaign) is None  # never one's own
    shown = desk.next(user, campaign)
    assert shown
    assert (shown.prompt[0].text, shown.answers[0].text) == ("hello", "Good morning.")
    store.consents.take_back(owner)
    for attempt in (lambda: desk.shown(user, shown.assignment), lambda: desk.send(user, shown.assignment, filled(shown))):
        with pytest.raises(NotFoundError, match="taken it back"):
            attempt()
    assert desk.next(user, campaign) is None
    with store.database.session() as session:
        assert [row.action for row in records(session, campaign)] == ["created", "opened", "withdrawn"]


def _answered(store: Opened) -> None:
    """The reply to a message is there."""
    job = store.jobs.claim("test", "scripted")
    assert job
    store.jobs.append(job.id, TextDelta("Good morning."), Done(Stats("scripted", seed=3)))


def test_a_lease_that_ended_leaves_the_task_to_others_and_loses_nothing(store: Opened, settings: Settings) -> None:
    campaign, desk = create(store, settings, count=1, overlap=1), Desk(store)
    slow, quick = annotator(store, 1), annotator(store, 2)
    shown = desk.next(slow, campaign)
    assert shown
    assert desk.next(quick, campaign) is None
    with store.database.session() as session:
        session.execute(update(AssignmentRow).values(until=now() - timedelta(seconds=1)))
    assert len(work(desk, quick, campaign)) == 1
    desk.send(slow, shown.assignment, filled(shown))
    assert len({row.rater for row in rows_of(store, campaign)}) == 2


def test_saving_keeps_the_lease_and_records_what_changed(store: Opened, settings: Settings) -> None:
    campaign, desk, user = create(store, settings), Desk(store), annotator(store)
    shown = desk.next(user, campaign)
    assert shown
    with store.database.session() as session:
        session.execute(update(AssignmentRow).values(until=now()))
    for sheet in (
        Sheet(answers={"reply/overall": "left"}),
        Sheet(answers={"reply/overall": "left"}, seconds=9),
        Sheet(answers={"reply/overall": "bad"}, comment="no"),
    ):
        assert desk.save(user, shown.assignment, sheet) > now() + timedelta(minutes=19)
    with store.database.reading() as session:
        changes = [
            row.body["changes"]
            for row in session.scalars(select(AuditRow).where(AuditRow.action == "draft").order_by(AuditRow.seq))
        ]
    assert changes == [{"reply/overall": "left"}, {"reply/overall": "bad", "comment": "no"}]


def test_guidelines_have_versions_and_name_nobody(store: Opened, settings: Settings) -> None:
    campaigns = Campaigns(store, settings)
    campaign = create(store, settings)
    assert campaigns.set_guidelines(campaign, "Judge well.") == 1
    assert campaigns.set_guidelines(campaign, "Judge better.") == 2
    assert campaigns.get(campaign).guidelines == "Judge better."
    with pytest.raises(InputError, match="between 1 and"):
        campaigns.set_guidelines(campaign, " ")
    with pytest.raises(InputError, match="name 'Heron'"):
        campaigns.set_guidelines(campaign, "Heron is better.")


def test_names_are_taken_once(store: Opened, settings: Settings) -> None:
    create(store, settings)
    with pytest.raises(InputError, match="already"):
        create(store, settings)
    with pytest.raises(NotFoundError):
        Campaigns(store, settings).named("another")
    assert Campaigns(store, settings).counts(Campaigns(store, settings).named("the campaign").id).wanted == 18


def test_every_two_systems_are_compared(store: Opened, settings: Settings) -> None:
    campaign = Campaigns(store, settings).create(checked(plan(1, NAMES)))
    assert len(work(Desk(store), annotator(store), campaign)) == 3
    assert {(row.first, row.second) for row in rows_of(store, campaign)} == {
        ("walrus", "heron"),
        ("walrus", "otter"),
        ("heron", "otter"),
    }


def test_the_side_is_drawn_for_each_annotator(store: Opened, settings: Settings) -> None:
    campaign, desk = create(store, settings, count=20, overlap=2), Desk(store)

    def lefts(user: str) -> dict[str, str]:
        return {shown.prompt[0].text: shown.answers[0].text for shown in work(desk, user, campaign)}

    one, other = lefts(annotator(store, 1)), lefts(annotator(store, 2))
    assert one.keys() == other.keys()
    assert 0 < sum(one[key] == other[key] for key in one) < 20


def test_a_draft_that_comes_late_or_is_of_something_else_changes_nothing(
    store: Opened, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, desk, user = create(store, settings), Desk(store), annotator(store)
    (shown,) = work(desk, user, campaign, most=1)
    desk.save(user, shown.assignment, Sheet(answers={"reply/overall": "bad"}))
    assert desk.shown(user, shown.assignment).sheet["answers"] == {"reply/overall": "left"}
    other = desk.next(user, campaign)
    assert other
    for strange in (Sheet(answers={"reply/beauty": "left"}), Sheet(played={"left/9": 1.0})):
        with pytest.raises(InputError, match="There is no"):
            desk.save(user, other.assignment, strange)
    monkeypatch.setattr(desks, "MOST_DRAFTS", 2)
    for choice in ("left", "right", "tie", "bad"):
        desk.save(user, other.assignment, Sheet(answers={"reply/overall": choice}))
    desk.save(user, other.assignment, None)  # a sign of life
    assert desk.shown(user, other.assignment).sheet["answers"] == {"reply/overall": "bad"}
    with store.database.reading() as session:
        assert [row.action for row in records(session, campaign)].count("draft") == 2


def test_what_was_taken_back_can_be_left(store: Opened, settings: Settings) -> None:
    store.post("ada")
    _answered(store)
    store.consents.give("ada")
    campaign = Campaigns(store, settings).create(
        checked(plan() | {"mode": "absolute", "items": plan(1)["items"], "conversations": 1, "criteria": ["overall"]})
    )
    desk, user = Desk(store), annotator(store)
    shown = [desk.next(user, campaign)]
    while shown[-1] and shown[-1].answers[0].text != "Good morning.":
        desk.send(user, shown[-1].assignment, filled(shown[-1], 3))
        shown.append(desk.next(user, campaign))
    assert shown[-1]
    store.consents.take_back("ada")
    desk.skip(user, shown[-1].assignment, "unclear", Sheet())
    following = desk.next(user, campaign)
    assert following is None or following.assignment != shown[-1].assignment
    assert Campaigns(store, settings).try_again(campaign) == 0
