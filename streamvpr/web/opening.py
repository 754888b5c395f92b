"""Opening the page that --serve asks for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from streamvpr.errors import ConfigError
from streamvpr.web.address import open_door, parse_address

if TYPE_CHECKING:
    from streamvpr.sinks import Sink

INSTALL = "pip install 'streamvpr[web]'"

logger = logging.getLogger(__name__)


def open_page(where: str, *, keep: bool) -> Sink:
    """Listen at HOST:PORT, and say where the page is. `keep`: whether it stays after the run.

    Raises ConfigError for an address that is none or is taken, for a token that is easily guessed,
    and where the extra is not installed.
    """
    address = parse_address(where)
    try:
        from streamvpr.web.guard import VARIABLE, choose_token
        from streamvpr.web.sink import PageSink
    except ModuleNotFoundError as error:
        raise ConfigError(f"--serve needs {error.name}: {INSTALL}", remedy=INSTALL) from error
    door = open_door(address)
    try:
        token, made_up = choose_token(loopback=door.loopback)
        if made_up and not logger.isEnabledFor(logging.INFO):
            raise ConfigError(
                f"--serve {where}: other machines need a token, and the log in which one is "
                f"printed is off; set {VARIABLE}"
            )
    except BaseException:
        door.close()
        raise
    if made_up:
        # The one secret that is to be read.
        url = f"{door.url}?token={token}"
        logger.info("the live page: %s (%s sets a token)", url, VARIABLE, extra={"verbatim": True})
    else:
        logger.info("the live page: %s", door.url)
    return PageSink(door, token, keep=keep)
