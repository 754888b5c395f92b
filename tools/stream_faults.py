"""What goes wrong between a camera and a program, one function a kind."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from transport_stream import CLOCK, PACKET, WRAP

if TYPE_CHECKING:
    from collections.abc import Callable

    from camera import Camera, Coded
    from relay import Relay
    from rtsp_camera import RtspServer

Chance = random.Random
# Longer than the harness's --read-timeout, shorter, and how long packets are spoilt.
LONG, SHORT, SPOILT = (1.3, 3.0), (0.1, 0.8), (0.3, 1.5)


class Fault(Protocol):
    """Does one kind of harm to a source, and returns when the source is well again."""

    def __call__(self, chance: Chance, /) -> None:
        """All that is random comes from `chance`."""


@dataclass(frozen=True, slots=True)
class Views:
    """What a camera shows, for faults that change it."""

    usual: list[Coded]
    larger: list[Coded]
    dark: list[Coded]
    """Pictures on which the harness's model fails."""


def of_camera(camera: Camera, views: Views) -> dict[str, Fault]:
    """The kinds of a transport stream's camera, by name."""
    kinds: dict[str, Fault] = {
        "freeze": lambda chance: _silence(camera, chance.uniform(*LONG)),
        "stall": lambda chance: _silence(camera, chance.uniform(*SHORT)),
        "garbage": lambda chance: _send_garbage(camera, chance),
        "clock forward": lambda chance: _move_clock(camera, round(_seconds(chance) * CLOCK)),
        "clock back": lambda chance: _move_clock(camera, -round(_seconds(chance) * CLOCK)),
        "clock reset": lambda chance: _set_clock(camera, 0),
        "clock wrap": lambda chance: _set_clock(camera, WRAP - CLOCK // 2),
        "other size": lambda chance: _show(camera, views.larger, views.usual, chance),
        "undescribable": lambda chance: _show(camera, views.dark, views.usual, chance),
    }
    for name, how in SPOILING.items():
        kinds[name] = partial(_spoil, camera, how)
    if camera.transport != "udp":
        kinds |= {
            "cut": lambda chance: camera.cut(reset=chance.random() < 0.5),
            "truncated": lambda chance: _truncate(camera, chance),
            "flap": lambda chance: _flap(camera, chance),
        }
    return kinds


def of_relay(relay: Relay, server: RtspServer) -> dict[str, Fault]:
    """The kinds of an RTSP server behind a relay, by name."""
    return {
        "freeze": lambda chance: _stop_server(server, chance.uniform(*LONG)),
        "stall": lambda chance: _hold_back(relay, chance.uniform(*SHORT)),
        "flap": lambda chance: _restart(server, chance),
        "cut": lambda chance: relay.cut(reset=chance.random() < 0.5),
        "bit errors": lambda chance: _spoil_bytes(relay, chance, _flip_some),
        "lost packets": lambda chance: _spoil_bytes(relay, chance, _lose_some),
        "reordered packets": lambda chance: _spoil_bytes(relay, chance, _swap_some),
        "truncated": lambda chance: _truncate_bytes(relay, chance),
        "refused": lambda chance: _refuse(relay, chance),
    }


def of_server(server: RtspServer) -> dict[str, Fault]:
    """The kinds of an RTSP server that nothing is between, by name."""
    return {
        "freeze": lambda chance: _stop_server(server, chance.uniform(*LONG)),
        "stall": lambda chance: _stop_server(server, chance.uniform(*SHORT)),
        "flap": lambda chance: _restart(server, chance),
    }


def _seconds(chance: Chance) -> float:
    """From a frame's time to a day."""
    return float(10 ** chance.uniform(-1.3, 4.9))


def _silence(camera: Camera, seconds: float) -> None:
    camera.silent = True
    time.sleep(seconds)
    camera.silent = False


def _spoil(
    camera: Camera, how: Callable[[list[bytes], Chance], list[bytes]], chance: Chance
) -> None:
    camera.mangle = lambda packets: how(packets, chance)
    time.sleep(chance.uniform(*SPOILT))
    camera.mangle = None


def _flip_bits(packets: list[bytes], chance: Chance) -> list[bytes]:
    return [flipped(p, chance) if chance.random() < 0.2 else p for p in packets]


def flipped(data: bytes, chance: Chance) -> bytes:
    """With a few bits the other way round."""
    spoilt = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
    return bytes(spoilt)


def _lose(packets: list[bytes], chance: Chance) -> list[bytes]:
    return [packet for packet in packets if chance.random() > 0.2]


def _reorder(packets: list[bytes], chance: Chance) -> list[bytes]:
    moved = list(packets)
    chance.shuffle(moved)
    return moved


def _repeat(packets: list[bytes], chance: Chance) -> list[bytes]:
    return [p for packet in packets for p in [packet] * chance.choice((1, 1, 2, 3))]


SPOILING: dict[str, Callable[[list[bytes], Chance], list[bytes]]] = {
    "bit errors": _flip_bits,
    "lost packets": _lose,
    "reordered packets": _reorder,
    "repeated packets": _repeat,
}
"""What becomes of the packets of a picture."""


def _send_garbage(camera: Camera, chance: Chance) -> None:
    camera.garbage = chance.randbytes(chance.choice((1, 100, PACKET, 4096, 65536)))
    time.sleep(0.1)


def _move_clock(camera: Camera, ticks: int) -> None:
    camera.pts += ticks


def _set_clock(camera: Camera, ticks: int) -> None:
    camera.pts = ticks
    time.sleep(0.6)


def _show(camera: Camera, views: list[Coded], usual: list[Coded], chance: Chance) -> None:
    camera.pictures = views
    time.sleep(chance.uniform(*SPOILT))
    camera.pictures = usual


def _truncate(camera: Camera, chance: Chance) -> None:
    """A picture breaks off within a packet, and with it the connection."""
    camera.mangle = lambda packets: [
        b"".join(packets)[: chance.randrange(1, PACKET * len(packets))]
    ]
    time.sleep(0.05)
    camera.cut()
    camera.mangle = None


def _flap(camera: Camera, chance: Chance) -> None:
    for _ in range(chance.choice((1, 1, 3))):
        camera.power_off()
        time.sleep(chance.uniform(*SHORT))
        camera.power_on()
        time.sleep(chance.uniform(0.0, 0.3))


def _stop_server(server: RtspServer, seconds: float) -> None:
    server.stop()
    time.sleep(seconds)
    server.cont()


def _restart(server: RtspServer, chance: Chance) -> None:
    server.kill()
    time.sleep(chance.uniform(*SHORT))
    server.start()


def _hold_back(relay: Relay, seconds: float) -> None:
    relay.silent = True
    time.sleep(seconds)
    relay.silent = False


def _spoil_bytes(relay: Relay, chance: Chance, how: Callable[[bytes, Chance], bytes]) -> None:
    relay.mangle = lambda data: how(data, chance)
    time.sleep(chance.uniform(*SPOILT))
    relay.mangle = None


def _flip_some(data: bytes, chance: Chance) -> bytes:
    return flipped(data, chance) if chance.random() < 0.3 else data


def _lose_some(data: bytes, chance: Chance) -> bytes:
    if chance.random() > 0.2:
        return data
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.randrange(1, 500) :]


def _swap_some(data: bytes, chance: Chance) -> bytes:
    if chance.random() > 0.2:
        return data
    at = chance.randrange(len(data))
    return data[at:] + data[:at]


def _truncate_bytes(relay: Relay, chance: Chance) -> None:
    relay.mangle = lambda data: data[: chance.randrange(1, len(data) + 1)]
    time.sleep(0.05)
    relay.cut()
    relay.mangle = None


def _refuse(relay: Relay, chance: Chance) -> None:
    relay.refuse()
    relay.cut(reset=True)
    time.sleep(chance.uniform(*LONG))
    relay.open()
