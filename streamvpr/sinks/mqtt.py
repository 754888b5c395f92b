"""Records to an MQTT broker: TOPIC/STREAM/KIND, and whether the run is there in TOPIC/status."""

from __future__ import annotations

import contextlib
import logging
import secrets
import ssl
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from streamvpr.errors import ConfigError, StoreError
from streamvpr.sinks.broker import as_level
from streamvpr.sinks.chosen import RecordsSink
from streamvpr.sinks.outgoing import CLOSE_SECONDS, JOIN_SECONDS, MOST_WAITING, Outgoing

if TYPE_CHECKING:
    from types import ModuleType

    from paho.mqtt.client import Client

    from streamvpr.config import Records
    from streamvpr.records import Record
    from streamvpr.running import Running
    from streamvpr.sinks.broker import Broker
    from streamvpr.summary import Summary

INSTALL = "pip install 'streamvpr[mqtt]'"
ONLINE, OFFLINE = "online", "offline"
AT_LEAST_ONCE = 1
# Records that the broker has not acknowledged yet. Brokers take that many without being asked.
WINDOW = 20
# A birth besides, and one that a lost connection has left.
STATUS_ROOM = 4
KEEPALIVE_SECONDS = 30
CONNECT_SECONDS = 5.0
# Between two tries; doubled each time. As with cameras, who knocks faster may be locked out.
SHORTEST_PAUSE, LONGEST_PAUSE = 1, 30
# For "offline", where all else has arrived.
FAREWELL_SECONDS = 0.5

logger = logging.getLogger(__name__)


class Message(NamedTuple):
    """What is published."""

    topic: str
    payload: bytes


class MqttSink(RecordsSink):
    """Publishes records with QoS 1: each arrives, after an outage maybe twice.

    A broker that is down, slow or refuses the login holds nothing up and ends nothing: what a run
    finds goes to standard output all the same, and somebody may be mending the broker.
    """

    def __init__(self, broker: Broker, kinds: Records, *, most: int = MOST_WAITING) -> None:
        """Nothing is connected before `follow`. `most` is how many records may wait.

        Raises ConfigError where the extra is missing.
        """
        super().__init__(kinds)
        self._broker = broker
        self._status = f"{broker.topic}/status"
        self._encoder = msgspec.json.Encoder()
        self._client = self._make_client()
        self._connected = False
        self._said: set[str] = set()
        # Messages that are no records and not acknowledged.
        self._births: set[int] = set()
        self._ending = False
        self._outgoing: Outgoing[Message] = Outgoing(
            str(broker), self._publish, window=WINDOW, most=most
        )

    def follow(self, run: Running) -> None:
        """Connect: from now on the run is there."""
        self._client.connect_async(self._broker.host, self._broker.port, KEEPALIVE_SECONDS)
        self._client.loop_start()
        self._outgoing.start()

    def take(self, record: Record) -> None:
        """Publish a record as soon as may be. Raises StoreError for text that is none."""
        kind = record.__struct_config__.tag
        topic = f"{self._broker.topic}/{as_level(record.stream)}/{kind}"
        try:
            payload = self._encoder.encode(record)
        except ValueError as error:
            raise StoreError(f"cannot publish a record to {self._broker}: {error}") from error
        self._outgoing.put(Message(topic, payload))

    def write_summary(self, summary: Summary) -> None:
        """Nothing comes after it: the time that is left begins."""
        self._outgoing.end(CLOSE_SECONDS)

    def close(self) -> None:
        """Wait a bounded time for what is not acknowledged, and say goodbye."""
        self._outgoing.close()
        self._ending = True
        if self._connected:
            farewell = self._client.publish(self._status, OFFLINE, AT_LEAST_ONCE, retain=True)
            # Where the connection was lost just now, the broker publishes the will.
            with contextlib.suppress(ValueError, RuntimeError):
                farewell.wait_for_publish(FAREWELL_SECONDS)
        self._client.disconnect()
        # It joins a thread that may be in the middle of a connection.
        stopping = threading.Thread(target=self._stop_client, daemon=True)
        stopping.start()
        stopping.join(JOIN_SECONDS)

    def _stop_client(self) -> None:
        # It forgets its thread where that ends just now, and joins nothing then.
        with contextlib.suppress(AttributeError):
            self._client.loop_stop()

    def _make_client(self) -> Client:
        paho = _load_paho()
        client: Client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=f"streamvpr-{secrets.token_hex(6)}",
            protocol=paho.MQTTv311,
        )
        if self._broker.user is not None:
            client.username_pw_set(self._broker.user, self._broker.password)
        if self._broker.encrypted:
            client.tls_set()
        client.will_set(self._status, OFFLINE, AT_LEAST_ONCE, retain=True)
        client.max_inflight_messages_set(WINDOW + STATUS_ROOM)
        client.reconnect_delay_set(SHORTEST_PAUSE, LONGEST_PAUSE)
        client.connect_timeout = CONNECT_SECONDS
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _publish(self, message: Message) -> None:
        """Hand a message to the client, which keeps it over outages until it is acknowledged."""
        self._client.publish(message.topic, message.payload, AT_LEAST_ONCE)

    # What follows is called on the client's thread.

    def _on_connect(self, client: Client, _: Any, flags: Any, reason: Any, *__: Any) -> None:
        if reason.is_failure:
            self._say_once(
                logging.ERROR, f"the broker refuses the login ({reason})", " each half minute"
            )
            return
        self._said.clear()
        self._connected = True
        logger.info("%s: connected", self._broker)
        # One that was not acknowledged before the connection was lost is sent again by itself.
        if not self._ending and not self._births:
            birth = client.publish(self._status, ONLINE, AT_LEAST_ONCE, retain=True)
            self._births.add(birth.mid)

    def _on_connect_fail(self, *_: Any) -> None:
        error = sys.exception()
        if isinstance(error, ssl.SSLCertVerificationError):
            self._say_once(logging.ERROR, f"its certificate is not trusted: {error.verify_message}")
        else:
            self._say_once(logging.WARNING, str(getattr(error, "strerror", None) or error))

    def _on_disconnect(self, *_: Any) -> None:
        if self._connected and not self._ending:
            self._say_once(logging.WARNING, "the connection was lost")
        self._connected = False

    def _on_publish(self, client: Client, _: Any, mid: int, *__: Any) -> None:
        if mid in self._births:
            self._births.remove(mid)
        elif not self._ending:
            self._outgoing.settle()

    def _say_once(self, level: int, what: str, how: str = "") -> None:
        """Say what is wrong once in each outage."""
        if what not in self._said:
            self._said.add(what)
            logger.log(
                level, "%s: %s; records wait, and it is tried again%s", self._broker, what, how
            )


def _load_paho() -> ModuleType:
    try:
        import paho.mqtt.client

        # Those before 2.0 have none of them, and call back with other arguments.
        import paho.mqtt.enums
    except ImportError as error:
        raise ConfigError(
            f"--mqtt needs paho-mqtt 2.1 or newer: {INSTALL}", remedy=INSTALL
        ) from error
    module: ModuleType = paho.mqtt.client
    return module
