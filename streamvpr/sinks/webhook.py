"""Records to a web server, one POST each."""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import msgspec

from streamvpr import __version__
from streamvpr.backoff import Backoff
from streamvpr.errors import StoreError
from streamvpr.sinks.chosen import RecordsSink
from streamvpr.sinks.outgoing import CLOSE_SECONDS, MOST_WAITING, Outgoing
from streamvpr.sinks.poster import Answer, NoAnswer, Poster, Unreachable

if TYPE_CHECKING:
    from streamvpr.config import Records
    from streamvpr.records import Record
    from streamvpr.running import Running
    from streamvpr.sinks.receiver import Receiver
    from streamvpr.summary import Summary

HEADERS = {"Content-Type": "application/json", "User-Agent": f"streamvpr/{__version__}"}
KEY = "Idempotency-Key"
# Between two tries; doubled each time, from a tenth of a second.
LONGEST_PAUSE = 30.0
# A server may ask for more; then it is asked again after this long.
LONGEST_ASKED = 120.0
# A record that a server was asked to take for so long may be what it fails at.
GIVE_UP_SECONDS = 300.0
# Request timeout, too many requests; and all of the server's own failures.
TRIED_AGAIN = frozenset({408, 429})

logger = logging.getLogger(__name__)


class Post(NamedTuple):
    """A record on its way."""

    key: str
    body: bytes


class Trouble(NamedTuple):
    """Why a record was not taken."""

    what: str
    reached: bool = True
    """Whether the server may have seen the record."""
    final: bool = False
    """Whether it would be the same again."""
    asked: float = 0.0
    """Seconds for which the server asks to be left alone."""


class WebhookSink(RecordsSink):
    """Posts records in their order, each until the server has taken or refused it.

    Where nobody is there it waits as long as it takes: nothing of the record has left then. A
    server that is there and fails has some minutes for each record.
    """

    def __init__(
        self,
        receiver: Receiver,
        kinds: Records,
        *,
        most: int = MOST_WAITING,
        give_up: float = GIVE_UP_SECONDS,
    ) -> None:
        """Nothing is connected before the first record. `most` is how many may wait.

        `give_up` is how many seconds a server has that is there and fails. Raises ConfigError for a
        proxy in the environment that cannot be used.
        """
        super().__init__(kinds)
        self._receiver = receiver
        self._give_up = give_up
        self._encoder = msgspec.json.Encoder()
        self._run = uuid.uuid4().hex
        self._count = 0
        self._poster = Poster(receiver, HEADERS)
        self._backoff = Backoff(LONGEST_PAUSE)
        self._troubles: set[str] = set()
        self._refusals: set[str] = set()
        self._outgoing: Outgoing[Post] = Outgoing(str(receiver), self._deliver, most=most)

    def follow(self, run: Running) -> None:
        """Begin to post."""
        self._outgoing.start()

    def take(self, record: Record) -> None:
        """Post a record as soon as may be. Raises StoreError for text that is none."""
        try:
            body = self._encoder.encode(record)
        except ValueError as error:
            raise StoreError(f"cannot post a record to {self._receiver}: {error}") from error
        self._outgoing.put(Post(f"{self._run}-{self._count}", body))
        self._count += 1

    def write_summary(self, summary: Summary) -> None:
        """Nothing comes after it: the time that is left begins."""
        self._outgoing.end(CLOSE_SECONDS)

    def close(self) -> None:
        """Wait a bounded time for what is not taken."""
        self._outgoing.close(self._poster.cut)
        self._poster.close()

    def _deliver(self, post: Post) -> None:
        """Post until an answer settles it, or the time is up. On the thread of the queue."""
        failing_since: float | None = None
        while (trouble := self._try(post)) is not None:
            if self._outgoing.over:
                return
            if trouble.reached:
                failing_since = failing_since or time.monotonic()
            given_up = (
                trouble.reached
                and failing_since is not None
                and time.monotonic() - failing_since >= self._give_up
            )
            if trouble.final or given_up:
                self._refuse(trouble, "is given up" if given_up else "is refused")
                return
            self._say_trouble(trouble)
            if not self._wait(trouble.asked):
                return
        self._arrived()

    def _try(self, post: Post) -> Trouble | None:
        """Post once; None where it was taken."""
        try:
            answer = self._poster.post(post.body, {KEY: post.key})
        except Unreachable as error:
            return Trouble(str(error), reached=False)
        except NoAnswer as error:
            return Trouble(str(error))
        if 200 <= answer.status < 300:
            return None
        return self._understood(answer)

    def _understood(self, answer: Answer) -> Trouble:
        what = f"it answers {answer.status}"
        if answer.status in TRIED_AGAIN or answer.status >= 500:
            return Trouble(what, asked=min(answer.retry_after or 0.0, LONGEST_ASKED))
        if answer.status in (401, 403):
            what += ", which is about the login"
        if 300 <= answer.status < 400:
            what += f", a redirection{self._elsewhere(answer)} that is not followed"
        return Trouble(what, final=True)

    def _elsewhere(self, answer: Answer) -> str:
        """The host of a redirection; the rest of it may be secret."""
        try:
            there = urlsplit(answer.location or "")
            host = there.hostname
        except ValueError:
            return ""
        return f" to {there.scheme}://{host}" if host else ""

    def _wait(self, asked: float) -> bool:
        """Wait before the next try; whether there is one.

        What a server asks for is kept to in the end, too, where all else is tried once more.
        """
        until = time.monotonic() + asked
        goes_on = self._outgoing.pause(max(asked, self._backoff.delay()))
        while goes_on and (left := until - time.monotonic()) > 0:
            goes_on = self._outgoing.pause(left)
        return goes_on

    def _arrived(self) -> None:
        self._backoff.reset()
        if self._troubles:
            self._troubles.clear()
            logger.info("%s: takes records again", self._receiver)
        self._outgoing.settle()

    def _refuse(self, trouble: Trouble, how: str) -> None:
        """Let go of a record; the reason is said once."""
        self._backoff.reset()
        if trouble.what not in self._refusals:
            self._refusals.add(trouble.what)
            logger.error(
                "%s: %s; the record %s, as is each that meets the same",
                self._receiver,
                trouble.what,
                how,
            )
        self._outgoing.settle(refused=True)

    def _say_trouble(self, trouble: Trouble) -> None:
        """Say what is wrong once in each outage."""
        if trouble.what not in self._troubles:
            self._troubles.add(trouble.what)
            logger.warning(
                "%s: %s; records wait, and it is tried again", self._receiver, trouble.what
            )
