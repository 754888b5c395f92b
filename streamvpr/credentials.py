"""Passwords in addresses: where they come from, and how they are kept from whoever reads along."""

from __future__ import annotations

import netrc
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from streamvpr.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HIDDEN = "***"
# How names of parameters end that cameras, relays and clouds take a secret by.
SECRET_PARAMETER = re.compile(
    r"(?P<name>(?:pass(?:word|wd|phrase|code)?|pas|pwd|token|auth|secret|key|signature|sig)"
    r"=)[^&;#]*",
    re.IGNORECASE,
)
# What stays as it is: a percent sign begins an encoded character, the first colon ends the user's
# name, and the rest may stand for a variable.
USERINFO_SAFE = "%:${}!&'()*+,;=-._~"
HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s@:/?#\[\]]+)(:\d+)?")
# Options for FFmpeg whose value is one, as they stand on the command line.
SECRET_OPTION = re.compile(
    r"(?:--av[-_]option=)?(?:headers|cookies|passphrase|password|cryptokey|decryption_key)="
)
# Options whose value may be secret as a whole: whoever knows the address may post there.
SECRET_ADDRESSES = frozenset({"--webhook"})
# Arguments and variables may hold bytes that are no text.
AS_IT_CAME = "surrogateescape"
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def redact(source: str) -> str:
    """The source as it may be printed: `***` for the password and other secrets of a URL.

    Works on what users really write: an `@` or a slash inside of a password, a name before it
    (`door=rtsp://...`), a path that is no URL, an option for FFmpeg (`headers=...`).
    """
    option = SECRET_OPTION.match(source)
    if option:
        return f"{option[0]}{HIDDEN}"
    before, separator, rest = source.partition("://")
    if not separator:
        return source
    userinfo, at, address = _split_userinfo(rest)
    user, colon, _ = userinfo.partition(":")
    if colon:
        # A later @ may belong to the path, or to a password that looks like one: hide both.
        address = rest[rest.rindex("@") + 1 :]
    shown = f"{user}:{HIDDEN}" if colon else user
    return f"{before}://{shown}{at}" + SECRET_PARAMETER.sub(rf"\g<name>{HIDDEN}", address)


def redact_arguments(arguments: Sequence[str]) -> list[str]:
    """A command line as it may be seen by everybody on the machine."""
    before = ["", *arguments]
    return [
        _only_host(argument) if option in SECRET_ADDRESSES else _redact_argument(argument)
        for option, argument in zip(before, arguments, strict=False)
    ]


def _redact_argument(argument: str) -> str:
    option, equals, value = argument.partition("=")
    return (
        f"{option}={_only_host(value)}"
        if equals and option in SECRET_ADDRESSES
        else redact(argument)
    )


def _only_host(url: str) -> str:
    """Scheme and host of an address whose path may be a secret, too."""
    try:
        parts = urlsplit(encode_userinfo(url))
        return f"{parts.scheme}://{parts.hostname}/{HIDDEN}" if parts.hostname else HIDDEN
    except ValueError:
        return HIDDEN


def encode_userinfo(url: str) -> str:
    """The URL with what a password may not hold as it is percent-encoded: `/ ? # @` and so on.

    Passwords are pasted as they are. What is encoded already stays so.
    """
    scheme, separator, rest = url.partition("://")
    userinfo, at, address = _split_userinfo(rest) if separator else ("", "", "")
    if not at:
        return url
    return f"{scheme}://{quote(userinfo, safe=USERINFO_SAFE, errors=AS_IT_CAME)}@{address}"


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
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return url
    login = None if host is None else _login(credentials, host)
    return url if login is None else f"{scheme}://{login}@{rest}"


def _split_userinfo(rest: str) -> tuple[str, str, str]:
    """(user and password, `@` or nothing, the rest) of what stands behind `://`.

    The first `@` that a host follows ends the password: one that was pasted as it is may hold
    others, and slashes. Where a host stands at the beginning there is none.
    """
    if "@" not in rest or HOST_AND_PORT.fullmatch(_authority(rest)):
        return "", "", rest
    places = [at.start() for at in re.finditer("@", rest)]
    followed = (at for at in places if HOST_AND_PORT.fullmatch(_authority(rest[at + 1 :])))
    end = next(followed, places[-1])
    return rest[:end], "@", rest[end + 1 :]


def _authority(rest: str) -> str:
    return re.split(r"[/?#]", rest, maxsplit=1)[0]


def _variable(match: re.Match[str]) -> str:
    name = match[1]
    value = os.environ.get(name)
    if value is None:
        raise ConfigError(
            f"an address names the environment variable {name} for its login, and it is not set"
        )
    return quote(value, safe="", errors=AS_IT_CAME)


def _login(file: Path, host: str) -> str | None:
    try:
        logins = netrc.netrc(str(file))
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
    # Names of hosts are the same in capitals; the parser does not know that.
    names = [name for name in logins.hosts if name.lower() == host.lower()]
    found = logins.authenticators(names[0] if names else host)
    if found is None:
        return None
    user, _, password = found
    return f"{quote(user or '', safe='')}:{quote(password or '', safe='')}"
