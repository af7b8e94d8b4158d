"""Jobs and their events: how a reply, or one medium of it again, is claimed, logged, followed, cancelled and recovered.

The reply's message is kept up to date with the log, so every finished part survives the end of the process. A medium that is made again
takes the place of the one before only when it is finished.
"""

import os
import re
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from nextgpt_chat.conversation import Conversation, Part, Text, Turn
from nextgpt_chat.errors import NotFoundError
from nextgpt_chat.events import Done, Event, Failed, MediaReady, Stats, TextDelta
from nextgpt_chat.media.content import ContentStore
from nextgpt_chat.settings import ReplySettings
from nextgpt_chat.store.bells import Bells
from nextgpt_chat.store.codec import event_from_json, event_to_json
from nextgpt_chat.store.database import Database
from nextgpt_chat.store.messages import conversation_up_to, replace_medium, write_parts
from nextgpt_chat.store.quota import OPEN, count_jobs
from nextgpt_chat.store.tables import ConversationRow, JobEventRow, JobRow, MessageRow, PartRow, now

INTERRUPTED = "The reply was interrupted before it was complete. What was finished is kept; press Retry to make it again."

ABANDONED = timedelta(hours=1)
"""How long a reply may wait for an engine before the next start gives it up."""


@dataclass(frozen=True)
class Job:
    """What an engine needs to make a reply, or one medium of it again."""

    id: str
    conversation: Conversation
    """Ends with the turn that is answered, or with the reply whose medium is made again."""
    settings: ReplySettings
    model: str
    medium: int | None = None
    """Number of the medium, among those of the reply, that is made again; None if the whole reply is made."""


class Jobs:
    """The queue and the event log."""

    def __init__(self, database: Database, content: ContentStore) -> None:
        self.database, self.content = database, content
        self.bells = Bells()

    def claim(self, worker: str, model: str, only: str | None = None) -> Job | None:
        """Takes the oldest queued job for `model` (or the job `only`), or None. No two workers get the same one."""
        with self.database.session() as session:
            oldest = (
                select(JobRow.id)
                .where(JobRow.status == "queued", JobRow.model == model, *([JobRow.id == only] if only else []))
                .order_by(JobRow.number)
                .limit(1)
                .scalar_subquery()
            )
            taken = session.scalar(
                update(JobRow)
                .where(JobRow.id == oldest, JobRow.status == "queued")
                .values(status="running", worker=worker)
                .returning(JobRow.id)
            )
            if taken is None:
                return None
            row = _job(session, taken)
            reply = _reply(session, row)
            last = reply.parent_id if row.medium is None else reply.id
            conversation = conversation_up_to(session, last, row.conversation_id, self.content)
            return Job(row.id, conversation, ReplySettings(**row.settings), row.model, row.medium)

    def append(self, job: str, *events: Event) -> int:
        """Adds events to the log in one transaction and brings the reply up to date; returns the last number given."""
        with self.database.session() as session:
            number = self._append(session, job, *events)
        self.bells.ring(job)
        return number

    def _append(self, session: Session, job: str, *events: Event) -> int:
        seq = session.scalar(select(func.max(JobEventRow.seq)).where(JobEventRow.job_id == job)) or 0
        for event in events:
            seq += 1
            name, body = event_to_json(event)
            session.add(JobEventRow(job_id=job, seq=seq, kind=name, body=body))
        session.flush()
        if any(isinstance(event, TextDelta | MediaReady | Done | Failed) for event in events):
            self._update_reply(session, job)
        return seq

    def _update_reply(self, session: Session, job: str) -> None:
        """Brings the reply's parts up to date with the log and, at the end, the status of the job and of a reply made by it."""
        events = [event for _, event in self._events(session, job, 0)]
        row = _job(session, job)
        reply = _reply(session, row)
        if row.medium is None:
            session.query(PartRow).filter(PartRow.message_id == reply.id).delete()
            session.flush()
            write_parts(session, reply, Turn("assistant", parts_of(events)))
        else:
            for medium in Turn("assistant", parts_of(events)).media:
                replace_medium(session, reply, row.medium, medium)
        last = events[-1]
        if isinstance(last, Done):
            row.status = "stopped" if last.stats.stopped else "done"
        elif isinstance(last, Failed):
            row.status = "interrupted" if last.message == INTERRUPTED else "failed"
        if row.medium is None and isinstance(last, Done):
            reply.status, reply.stats = "stopped" if last.stats.stopped else "complete", asdict(last.stats)
        elif row.medium is None and isinstance(last, Failed):
            reply.status, reply.error = row.status, last.message

    def events(self, user: str, job: str, after: int = 0) -> list[tuple[int, Event]]:
        """The events numbered above `after`, in order."""
        with self.database.reading() as session:
            self._own(session, user, job)
            return self._events(session, job, after)

    def news(self, user: str, job: str, after: int) -> tuple[list[tuple[int, Event]], bool]:
        """The events numbered above `after`, in order, and whether they are the last ones."""
        with self.database.reading() as session:
            ended = self._own(session, user, job).status not in OPEN
            return self._events(session, job, after), ended

    def _events(self, session: Session, job: str, after: int) -> list[tuple[int, Event]]:
        rows = session.scalars(
            select(JobEventRow).where(JobEventRow.job_id == job, JobEventRow.seq > after).order_by(JobEventRow.seq)
        )
        return [(row.seq, event_from_json(row.kind, row.body, self.content)) for row in rows]

    def status(self, user: str, job: str) -> str:
        """queued, running, done, stopped, failed or interrupted."""
        with self.database.reading() as session:
            return self._own(session, user, job).status

    def position(self, user: str, job: str) -> int:
        """How many replies will be made before this one, including the running one; 0 when it has begun."""
        with self.database.reading() as session:
            row = self._own(session, user, job)
            if row.status != "queued":
                return 0
            return count_jobs(session, JobRow.status.in_(OPEN), JobRow.number < row.number)

    def cancel(self, user: str, job: str) -> None:
        """Asks for the job to stop; one that has not begun ends at once."""
        with self.database.session() as session:
            row = self._own(session, user, job)
            row.cancel = True
            if row.status == "queued":
                self._append(session, job, Done(Stats(row.model, seed=0, stopped=True)))
        self.bells.ring(job)

    def cancelled(self, job: str) -> bool:
        """True once somebody asked for the job to stop."""
        with self.database.reading() as session:
            return bool(session.scalar(select(JobRow.cancel).where(JobRow.id == job)))

    def recover(self) -> int:
        """To be called before an engine starts: jobs of workers that are gone are marked as interrupted. Returns how many.

        So are jobs that have waited for longer than `ABANDONED`: they were meant for a model that is not served any more.
        """
        with self.database.reading() as session:
            running = session.execute(select(JobRow.id, JobRow.worker).where(JobRow.status == "running")).all()
            waiting = session.scalars(select(JobRow.id).where(JobRow.status == "queued", JobRow.created < now() - ABANDONED)).all()
        left = [job for job, worker in running if not _alive(worker or "")] + list(waiting)
        for job in left:
            self.append(job, Failed(INTERRUPTED))
        return len(left)

    def _own(self, session: Session, user: str, job: str) -> JobRow:
        row = session.scalar(
            select(JobRow)
            .join(ConversationRow, ConversationRow.id == JobRow.conversation_id)
            .where(JobRow.id == job, ConversationRow.user_id == user)
        )
        if row is None:
            raise NotFoundError("There is no such reply.")
        return row


def parts_of(events: list[Event]) -> tuple[Part, ...]:
    """What a list of events amounts to: text in one piece between media, media where they were finished."""
    parts: list[Part] = []
    for event in events:
        if isinstance(event, TextDelta):
            if parts and isinstance(parts[-1], Text):
                parts[-1] = Text(parts[-1].text + event.text)
            else:
                parts.append(Text(event.text))
        elif isinstance(event, MediaReady):
            parts.append(event.part)
    return tuple(parts)


def _job(session: Session, job: str) -> JobRow:
    return session.scalars(select(JobRow).where(JobRow.id == job)).one()


def _reply(session: Session, job: JobRow) -> MessageRow:
    return session.scalars(select(MessageRow).where(MessageRow.id == job.reply_id)).one()


def worker_name() -> str:
    """The name under which this process claims jobs, by which `recover` sees whether it still lives."""
    return _process_name(os.getpid())


def _process_name(pid: int) -> str:
    """Process id and start: ids are used again, above all in containers, where an app often gets the same one as before."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return f"pid {pid} started {fields[19]}"  # field 22 of proc(5): clock ticks since the machine started
    except (OSError, IndexError):
        return f"pid {pid}"  # a system without /proc


def _alive(worker: str) -> bool:
    """Whether the process behind a worker's name runs. This process makes nothing when it asks, so its own name counts as gone."""
    named = re.match(r"pid (\d+)", worker)
    if named is None or int(named[1]) == os.getpid():
        return False
    try:
        os.kill(int(named[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, as somebody else
    return _process_name(int(named[1])) == worker
