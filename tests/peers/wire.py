"""What passes between a client and a server: a relay for HTTP, and a witness for stdio.

Neither changes a byte. The clients are told the relay's port instead of the server's, or start the witness instead of
the server, so that what they do can be judged without asking them: which requests they sent, how these were answered,
which sessions they opened, and whether they left any behind.
"""

import collections
import http.client
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
SESSION = re.compile(rb"\r\nmcp-session-id: (\S+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Exchange:
    """A request and the status of its answer."""

    method: str
    path: str
    status: int

    def __str__(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]} {self.status}"


class Relay:
    """Passes connections on to a port of 127.0.0.1 and notes the heads that go by."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.exchanges: list[Exchange] = []
        self.sessions: set[str] = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # Closed.
            try:
                server = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                client.close()
                continue
            asked: collections.deque[tuple[str, str]] = collections.deque()
            for source, sink, note in ((client, server, self.request), (server, client, self.answer)):
                threading.Thread(target=self.pump, args=(source, sink, note, asked), daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket, note, asked) -> None:
        try:
            while chunk := source.recv(65_536):
                note(chunk, asked)
                sink.sendall(chunk)
            # The other direction goes on until it ends too.
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            sink.close()

    def request(self, chunk: bytes, asked: collections.deque) -> None:
        # Nothing here sends one request before it has the answer to the last, so a head begins a chunk.
        if found := REQUEST.match(chunk):
            asked.append((found[1].decode(), found[2].decode()))

    def answer(self, chunk: bytes, asked: collections.deque) -> None:
        if asked and (found := STATUS.match(chunk)):
            self.exchanges.append(Exchange(*asked.popleft(), int(found[1])))
            head = chunk.partition(b"\r\n\r\n")[0] + b"\r\n"
            self.sessions.update(one.decode() for one in SESSION.findall(head))

    def told(self, since: int = 0) -> str:
        """`4 POST /mcp 200, 1 DELETE /mcp 204`"""
        counted = collections.Counter(str(exchange) for exchange in self.exchanges[since:])
        return ", ".join(f"{count} {exchange}" for exchange, count in counted.items())

    def left_open(self) -> list[str]:
        """Sessions that the client opened here, of either transport, and that still live."""
        streamable = [("/mcp", {"Mcp-Session-Id": session}) for session in self.sessions]
        paths = {exchange.path for exchange in self.exchanges if exchange.path.startswith("/message?")}
        living = [*streamable, *((path, {}) for path in sorted(paths))]
        # A stream's end reaches the server a moment after the client is gone.
        deadline = time.monotonic() + 3
        while living and time.monotonic() < deadline:
            living = [one for one in living if self.ask(*one) != 404]
            time.sleep(0.02)
        return [headers.get("Mcp-Session-Id", path) for path, headers in living]

    def ask(self, path: str, headers: dict[str, str]) -> int:
        """The status of a message in that session. Not through the relay: this is no client's doing."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        message = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"none"}}'
        try:
            connection.request("POST", path, message, {"Content-Type": "application/json", **headers})
            return connection.getresponse().status
        finally:
            connection.close()

    def close(self) -> None:
        self.listener.close()


def witness(note: str, command: list[str]) -> int:
    """Runs a server on this process's stdio, and writes down how it ended. Passes SIGTERM on."""
    server = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    code = server.wait()
    with pathlib.Path(note).open("a") as ends:
        ends.write(f"{code}\n")
    return code


if __name__ == "__main__":
    sys.exit(witness(sys.argv[1], sys.argv[2:]))
