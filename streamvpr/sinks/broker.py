"""An MQTT broker as the command line names it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from streamvpr.credentials import encode_userinfo, fill_in
from streamvpr.errors import ConfigError
from streamvpr.sinks.endpoint import host_of, port_of, shown_host

if TYPE_CHECKING:
    from pathlib import Path

FORM = "mqtt[s]://[USER:PASSWORD@]HOST[:PORT][/TOPIC]"
PORTS = {"mqtt": 1883, "mqtts": 8883}
DEFAULT_TOPIC = "streamvpr"
# Of a topic as a whole, in bytes; what follows TOPIC has its share.
LONGEST_TOPIC = 60_000
# Between levels, for one level, for all that follow: what a name may not hold to be one level. A
# percent sign begins what stands for these.
WITH_A_MEANING = "/+#%"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where it is, who we are, and the topic that all others are below."""

    host: str
    port: int
    topic: str
    encrypted: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        host = shown_host(self.host)
        return f"mqtt{'s' if self.encrypted else ''}://{host}:{self.port}"


def parse_broker(url: str, credentials: Path | None = None) -> Broker:
    """The broker of `mqtt[s]://[USER:PASSWORD@]HOST[:PORT][/TOPIC]`.

    A login that is not there is that of the host in `credentials`, a file in the format of .netrc.
    Raises ConfigError.
    """
    scheme = url.partition("://")[0].lower()
    if "://" not in url or scheme not in PORTS:
        raise ConfigError(f"--mqtt takes the address of a broker, mqtt://...; write {FORM}")
    try:
        return _broker(scheme, fill_in(encode_userinfo(url), credentials))
    except ValueError as error:
        raise ConfigError(f"--mqtt: {error}; write {FORM}") from None


def as_level(name: str) -> str:
    """A stream's name as one level of a topic.

    What topics give a meaning to, and what brokers do not bear (control characters), is written as
    in URLs: `gate/east` is `gate%2Feast`.
    """
    return "".join(
        c if c.isprintable() and c not in WITH_A_MEANING else _percent_encoded(c) for c in name
    )


def _percent_encoded(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


def _broker(scheme: str, url: str) -> Broker:
    """Raises ValueError that says what is wrong, and quotes nothing that may be a password."""
    parts = urlsplit(url)
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ValueError("no ? and no # can be in it; of a password they are %3F and %23")
    return Broker(
        host=host_of(parts),
        port=port_of(parts) or PORTS[scheme],
        topic=_topic(unquote(parts.path)),
        encrypted=scheme == "mqtts",
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def _topic(path: str) -> str:
    topic = path.strip("/") or DEFAULT_TOPIC
    if not topic.isprintable() or set("+#") & set(topic):
        raise ValueError(f"{topic!r} is no topic to publish to: no +, # or control character")
    if len(topic.encode("utf-8", "surrogateescape")) > LONGEST_TOPIC:
        raise ValueError(f"a topic has no more than {LONGEST_TOPIC} bytes")
    return topic
