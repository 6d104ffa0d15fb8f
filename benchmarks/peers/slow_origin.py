"""An origin that waits 100 ms before each answer, on 200 addresses of the loopback interface.

    slow_origin.py FOLDER PORT

It answers with the files of FOLDER as they were when it started, whatever the query, and listens on 127.0.1.1
to 127.0.1.200. As all wait equally long, what is due next is first in a queue; a request costs one read,
one write and no object of its own, so that it is not the origin which bounds what is measured.
"""

import socket
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from select import EPOLLIN, epoll
from time import monotonic

SECONDS = 0.1
HOSTS = [f"127.0.1.{number}" for number in range(1, 201)]
FIELDS = b"Content-Type: image/webp\r\nCache-Control: max-age=86400\r\nContent-Length: %d\r\n\r\n"
ROOM = 1 << 20
"""Bytes that a connection may have on their way: more than any answer, so that each is one write."""


def answer(path: Path) -> bytes:
    body = path.read_bytes()
    return b"HTTP/1.1 200 OK\r\n" + FIELDS % len(body) + body


answers = {path.name.encode(): answer(path) for path in Path(sys.argv[1]).iterdir()}
listeners = {
    each.fileno(): each for each in (socket.create_server((h, int(sys.argv[2])), backlog=1024) for h in HOSTS)
}
lines: dict[int, socket.socket] = {}
due: deque[tuple[float, socket.socket, bytes]] = deque()
poll = epoll()
for number in listeners:
    poll.register(number, EPOLLIN)

while True:
    wait = max(0.0, due[0][0] - monotonic()) if due else -1
    for number, _ in poll.poll(wait, 512):
        if number in listeners:
            line, _ = listeners[number].accept()
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.settimeout(5)
            lines[line.fileno()] = line
            poll.register(line, EPOLLIN)
            continue
        line = lines[number]
        try:
            asked = line.recv(65536)
        except OSError:
            asked = b""
        if not asked:
            del lines[number]
            poll.unregister(number)
            line.close()
        else:  # a request is one packet, and nobody sends the next before the answer to it
            name = asked.split(b" ", 2)[1].partition(b"?")[0].rpartition(b"/")[2]
            due.append((monotonic() + SECONDS, line, answers[name]))
    now = monotonic()
    while due and due[0][0] <= now:
        _, line, data = due.popleft()
        with suppress(OSError):  # hung up: the poll says so too
            line.sendall(data)
