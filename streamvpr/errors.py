"""Everything that can go wrong for a reason outside the program.

    StreamVPRError
    ├─ ConfigError      a bad option, setting or missing extra           exit 2
    ├─ ModelError       a model or device that cannot be used            exit 3
    │  └─ ModelLost         it ran, elsewhere, and is gone for good
    ├─ DeviceError      hardware that does not decode what it should     exit 3
    ├─ SourceError      a source; carries `.url` without its password    exit 4
    │  ├─ SourceOpenError   it could not be opened
    │  └─ SourceLost        it was open and is gone
    ├─ StoreError       a map or an output that cannot be read or written  exit 5
    └─ OutputClosed     whoever read the output has gone, as `head` does  exit 0

A message says what failed, with which value, and what to do, in one line. Library code raises these
and neither prints nor exits; `streamvpr.cli` turns them into a line on stderr and an exit code.
"""

from typing import Any, ClassVar


class StreamVPRError(Exception):
    """Base of all errors that a user can cause and mend."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str = "", *, remedy: str | None = None) -> None:
        """`remedy` is the one command that mends it, where there is one."""
        super().__init__(message)
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        # Python's own way calls the class with the message alone, and some want more than that.
        return _made_again, (type(self), self.args, self.__dict__)


class ConfigError(StreamVPRError):
    """An option or setting that cannot be, or an extra that is not installed."""

    exit_code = 2


class ModelError(StreamVPRError):
    """A model that is missing, broken or does not fit, or a device that cannot run it."""

    exit_code = 3


class ModelLost(ModelError):
    """A model that ran in another process, which is gone for good: it need not be asked again."""


class DeviceError(StreamVPRError):
    """Hardware that was asked for by name and does not decode here."""

    exit_code = 3


class SourceError(StreamVPRError):
    """A source that cannot be used. `url` is safe to print: its password is `***`."""

    exit_code = 4

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(message)
        self.url = url


class SourceOpenError(SourceError):
    """A source that could not be opened; where it is `hopeless`, waiting will not mend it."""

    def __init__(
        self,
        message: str,
        *,
        url: str,
        hopeless: bool = False,
        login_refused: bool = False,
        code: int | None = None,
    ) -> None:
        """`code` is the system's or FFmpeg's number of what went wrong."""
        super().__init__(message, url=url)
        self.code = code
        self.hopeless = hopeless
        self.login_refused = login_refused


class SourceLost(SourceError):
    """A source that was open and cannot be read any further."""


class StoreError(StreamVPRError):
    """A map or an output that cannot be read or written."""

    exit_code = 5


class OutputClosed(StreamVPRError):
    """Whoever read the output has gone: a reason to stop, quietly."""

    exit_code = 0


def _made_again(
    kind: type[StreamVPRError], arguments: tuple[object, ...], state: dict[str, Any]
) -> StreamVPRError:
    """An error as it was in another process."""
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error
