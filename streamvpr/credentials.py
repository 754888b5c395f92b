"""Passwords in addresses: where they come from, and how they are kept from whoever reads along."""

from __future__ import annotations

import netrc
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from streamvpr.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = "***"
# Names of query parameters that cameras and relays take a secret by.
SECRET_PARAMETER = re.compile(
    r"(?P<name>(?:^|[?&;/_])"
    r"(?:password|passwd|pass|pwd|token|access_token|auth|secret|apikey|api_key|key|signature|sig)"
    r"=)[^&;#/]*",
    re.IGNORECASE,
)
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def redact(source: str) -> str:
    """The source as it may be printed: `***` for the password and other secrets of a URL.

    Works on what users really write: an `@` or a slash inside of a password, a name before it
    (`door=rtsp://...`), a path that is no URL.
    """
    before, separator, rest = source.partition("://")
    if not separator:
        return source
    userinfo, at, address = _split_userinfo(rest)
    user, colon, _ = userinfo.partition(":")
    shown = f"{user}:{HIDDEN}" if colon else user
    return f"{before}://{shown}{at}" + SECRET_PARAMETER.sub(rf"\g<name>{HIDDEN}", address)


def has_secret(source: str) -> bool:
    """Whether printing the source would tell a password."""
    return redact(source) != source


def fill_in(url: str, credentials: Path | None) -> str:
    """The URL with the login that it asks for by reference.

    `${NAME}` before the `@` is the environment variable of that name. A URL without a login takes
    that of its host from `credentials`, a file in the format of curl's and ftp's .netrc
    (`machine HOST login USER password PASSWORD`). Raises ConfigError where either is not there.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    userinfo, at, address = _split_userinfo(rest)
    if at:
        return f"{scheme}://{VARIABLE.sub(_variable, userinfo)}@{address}"
    if credentials is None:
        return url
    login = _login(credentials, urlsplit(url).hostname or "")
    return url if login is None else f"{scheme}://{login}@{rest}"


def _split_userinfo(rest: str) -> tuple[str, str, str]:
    """(user and password, `@` or nothing, the rest) of what stands behind `://`.

    An `@` behind the first slash belongs to the path, unless what stands before the slash is no
    host and port: then the slash is part of a password that was not percent-encoded.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        end = authority.rindex("@")
    else:
        host, colon, port = authority.rpartition(":")
        unencoded = bool(colon and host) and not port.isdigit() and not authority.endswith("]")
        end = rest.rfind("@") if unencoded else -1
    return (rest[:end], "@", rest[end + 1 :]) if end >= 0 else ("", "", rest)


def _variable(match: re.Match[str]) -> str:
    name = match[1]
    value = os.environ.get(name)
    if value is None:
        raise ConfigError(
            f"a source names the environment variable {name} for its login, and it is not set"
        )
    return quote(value, safe="")


def _login(file: Path, host: str) -> str | None:
    try:
        found = netrc.netrc(str(file)).authenticators(host)
    except OSError as error:
        raise ConfigError(f"cannot read --credentials {file}: {error.strerror}") from error
    except (netrc.NetrcParseError, UnicodeDecodeError) as error:
        # The parser's message may quote the line, and with it the password.
        number = getattr(error, "lineno", None)
        where = "" if number is None else f", line {number}"
        raise ConfigError(
            f"--credentials {file}{where} is not in the format of .netrc: "
            "machine HOST login USER password PASSWORD"
        ) from None
    if found is None:
        return None
    user, _, password = found
    return f"{quote(user or '', safe='')}:{quote(password or '', safe='')}"
