"""A sandbox worker with a decoder that obeys the image, as a decoder under attack could."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from imgfetch.decode import sandbox_worker
from imgfetch.model.image import Defect
from imgfetch.model.result import ErrorKind

if TYPE_CHECKING:
    from imgfetch.model.values import Buffer


class HostileDecoder:
    def decode(self, data: Buffer, *_: object, **__: object) -> Defect | None:
        word, _space, rest = bytes(data).decode().partition(" ")
        match word:
            case "die":
                os.kill(os.getpid(), int(rest))
            case "spin":
                while True:
                    pass
            case "sleep":
                time.sleep(600)
            case "eat":
                return Defect(ErrorKind.CORRUPT, str(len(bytearray(int(rest)))))
            case "say":
                os.write(1, rest.encode())
                time.sleep(600)
            case "blame":
                return Defect(ErrorKind.DISK_FULL, "\x1b[2J" + "x" * 1_000)
            case "tell":
                return Defect(ErrorKind.CORRUPT, _told(rest))
        return None


def _told(what: str) -> str:
    """Return a fact about the process, or the error of an attempt."""
    try:
        match what:
            case "files":
                return str([Path("/etc/hostname").read_bytes(), Path("/etc/hostname").open("rb")])
            case "write":
                return str(os.write(sandbox_worker.MEMORY, b"x"))
            case "fork":
                return str(os.fork())
            case "socket":
                return str(socket.create_connection(("127.0.0.1", 9)))
            case "environment":
                return ",".join(os.environ)
            case "descriptors":
                return ",".join(str(number) for number in range(200) if _is_open(number))
    except (OSError, RuntimeError) as error:
        return type(error).__name__
    return what


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    vars(sandbox_worker)["PillowDecoder"] = HostileDecoder
    sandbox_worker.main()
