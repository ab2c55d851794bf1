#!/usr/bin/env python3
"""Stands between docquay and its clients and keeps what both say, for tests/peers/ts/schema.mjs.

record.py FOLDER BINARY ARGUMENT… is to be called as docquay is: with `stdio` it passes lines, else it listens on the port
that docquay was to have, which it also writes into docquay's banner. Every exchange becomes a JSON line, as
tests/it/harness/record.rs has it.
"""

import ctypes
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import threading

HEAD_END = b"\r\n\r\n"


class Records:
    """A file of this process; one write for each line."""

    def __init__(self, folder: str) -> None:
        self.file = (pathlib.Path(folder) / f"peers-{os.getpid()}.jsonl").open("a", buffering=1)
        self.lock = threading.Lock()

    def write(self, record: dict) -> None:
        with self.lock:
            self.file.write(json.dumps(record) + "\n")


def parts(message: bytes) -> tuple[str, dict[str, str], str]:
    """The first line, the fields and the body of a message."""
    head, _, body = message.partition(HEAD_END)
    first, *fields = head.decode("latin-1").split("\r\n")
    named = [field.partition(":") for field in fields]
    return first, {name.lower(): value.strip() for name, _, value in named}, body.decode(errors="replace")


class Exchange:
    """One request and its answer, on connections of their own."""

    def __init__(self, records: Records, client: socket.socket, address: tuple[str, int]) -> None:
        self.records, self.client, self.address = records, client, address
        self.sent, self.received = b"", b""

    def run(self) -> None:
        with self.client, socket.create_connection(self.address) as server:
            if not self.read_request():
                return
            head, _, body = self.sent.partition(HEAD_END)
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
            server.sendall(b"\r\n".join([*lines, b"Connection: close"]) + HEAD_END + body)
            self.pass_answer(server)
        self.keep()

    def read_request(self) -> bool:
        while HEAD_END not in self.sent:
            if not self.more():
                return False
        _, fields, _ = parts(self.sent)
        begin = self.sent.index(HEAD_END) + len(HEAD_END)
        chunked = "chunked" in fields.get("transfer-encoding", "")
        length = int(fields.get("content-length", 0))
        while not (self.sent.endswith(b"0\r\n\r\n") if chunked else len(self.sent) - begin >= length):
            if not self.more():
                return False
        return True

    def more(self) -> bool:
        piece = self.client.recv(65536)
        self.sent += piece
        return bool(piece)

    def pass_answer(self, server: socket.socket) -> None:
        """Passes what comes until one of the two has enough."""
        while True:
            ready, _, _ = select.select([server, self.client], [], [])
            try:
                if self.client in ready and not self.client.recv(65536):
                    return
                if server in ready:
                    piece = server.recv(65536)
                    if not piece:
                        return
                    self.received += piece
                    self.client.sendall(piece)
            except OSError:
                return

    def keep(self) -> None:
        asked, headers, body = parts(self.sent)
        told, fields, text = parts(self.received)
        if " " not in told:
            return
        method, path, _ = asked.split(" ", 2)
        self.records.write({
            "transport": "http",
            "scope": f"{self.address[1]}-{os.getpid()}",
            "request": {"method": method, "path": path, "headers": headers, "body": body},
            "response": {"status": int(told.split(" ")[1]), "headers": fields, "body": text},
        })  # fmt: skip


def with_its_parent() -> None:
    """Whoever is killed in docquay's place takes docquay along (Linux: PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def serve(records: Records, command: list[str]) -> int:
    port = 0
    if "--port" in command:
        at = command.index("--port") + 1
        port, command[at] = int(command[at]), "0"
    listener = socket.create_server(("127.0.0.1", port))
    port = listener.getsockname()[1]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=with_its_parent
    )
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    exchanges: list[threading.Thread] = []

    def accept(address: tuple[str, int]) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            exchange = Exchange(records, client, address)
            exchanges.append(threading.Thread(target=exchange.run, daemon=True))
            exchanges[-1].start()

    ours = ""
    for line in process.stderr:
        if not ours and (found := re.search(r"127\.0\.0\.1:(\d+)", line)):
            ours = found.group()
            threading.Thread(target=accept, args=(("127.0.0.1", int(found[1])),), daemon=True).start()
        sys.stderr.write(line.replace(ours, f"127.0.0.1:{port}") if ours else line)
        sys.stderr.flush()
    code = process.wait()
    for exchange in exchanges:
        exchange.join(5)
    return code


def stdio(records: Records, command: list[str]) -> int:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=with_its_parent)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    lines: list[tuple[str, str]] = []

    def forward() -> None:
        for line in sys.stdin.buffer:
            lines.append((">", line.decode(errors="replace").rstrip("\n")))
            try:
                process.stdin.write(line)
                process.stdin.flush()
            except OSError:
                return
        process.stdin.close()

    threading.Thread(target=forward, daemon=True).start()
    for line in process.stdout:
        lines.append(("<", line.decode(errors="replace").rstrip("\n")))
        try:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        except OSError:
            break
    code = process.wait()
    records.write({"transport": "stdio", "scope": "", "lines": lines})
    return code


def main() -> int:
    folder, *command = sys.argv[1:]
    records = Records(folder)
    return (stdio if command[1:2] == ["stdio"] else serve)(records, command)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The thread that still reads would have the interpreter abort (-6) as it ends.
    os._exit(code)
