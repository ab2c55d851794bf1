#!/usr/bin/env python3
"""Drives docquay with clients that nobody here wrote: the matrix of client, mode and transport.

Each row takes one client through a whole conversation, of the exchanges that matrix.py names: what a client cannot do is
named with the reason, and everything else must have been seen. Then, over HTTP, the server is ended and started again
under each client, which must come back: by itself, or connected anew by its program, as matrix.py says.
`tests/run clients` installs the clients and calls this. By hand, against any source:

    tests/run clients --source big-index.json --query 'pod disruption budget' --phrase disruption
"""

import argparse
import contextlib
import itertools
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import wire
from matrix import ASKED, EXCHANGES, MODERN, Row, matrix, restarts

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# One client at a time on an idle machine takes two seconds; this is for a loaded one.
SECONDS = 60


class Server:
    """A server process on a free port of 127.0.0.1; its banner says which."""

    def __init__(self, command: list[str], log: pathlib.Path) -> None:
        self.log = log
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.address = ""
        self.seen = threading.Event()
        threading.Thread(target=self.read, daemon=True).start()
        if not self.seen.wait(SECONDS) or not self.address:
            self.stop()
            sys.exit(f"{shlex.join(command)} names no address on stderr:\n{log.read_text()}")

    def read(self) -> None:
        with self.log.open("a") as log:
            for line in self.process.stderr:
                log.write(line)
                log.flush()
                if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                    self.address = self.address or found.group()
                    self.seen.set()
        self.seen.set()

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            sys.exit(f"the server was still running 20 s after {how.name}")


@dataclass
class Peers:
    """Where tests/run put the clients."""

    cache: pathlib.Path

    def node(self) -> str:
        [found] = self.cache.glob("ts/node_modules/node-linux-*/bin/node")
        return str(found)

    def package(self, path: str) -> str:
        return str(self.cache / "ts/node_modules" / path)

    def command(self, client: str, asked: bool = False) -> list[str]:
        """What runs a client's script: the one for docquay, or the one for examples/everything."""
        match client.split("-")[0]:
            case "mcp" if client.startswith("mcp-remote"):
                return [self.node(), str(self.cache / "ts/sdk1.mjs")]
            case "mcp":
                version = client.removeprefix("mcp-")
                major = version[0]
                # The newest of a major is named after it.
                home = {"1.30.0": "mcp1", "2.3.0": "mcp2"}.get(version, client)
                return [str(self.cache / home / "bin/python"), str(HERE / f"python/{'asked' if asked else 'mcp'}{major}.py")]
            case "fastmcp":
                return [str(self.cache / "fastmcp4/bin/python"), str(HERE / "python/fastmcp4.py")]
            case "client":
                return [self.node(), str(self.cache / f"ts/{'asked' if asked else 'client'}2.mjs")]
            case "sdk":
                return [self.node(), str(self.cache / f"ts/{'asked' if asked else 'sdk'}1.mjs")]
            case _:
                return [sys.executable, str(HERE / "python/inspector.py")]


def job(row: Row, peers: Peers, options: argparse.Namespace, address: str, ends: pathlib.Path) -> dict:
    url = address + ("/sse" if row.transport == "sse" else "/mcp")
    transport, command = row.transport, [sys.executable, str(HERE / "wire.py"), str(ends), *options.stdio]
    if row.bridge:
        proxy = peers.package("mcp-remote/dist/proxy.js")
        transport, command = "stdio", [peers.node(), proxy, url, "--transport", *row.bridge]
    old_sdk = row.client.startswith("sdk-") and row.client != "sdk-1.32.2"
    return {
        "transport": transport,
        "mode": row.mode,
        "expect": row.expect,
        "url": url,
        "command": command,
        "inspector": [peers.node(), peers.package("@modelcontextprotocol/inspector/clients/launcher/build/index.js")],
        "query": options.query,
        "phrase": options.phrase,
        "package": row.client if old_sdk else "@modelcontextprotocol/sdk",
        "reload": str(options.folder or ""),
        "restart": len(ENDS) if row.recovers else 0,
        "seconds": SECONDS,
    }


def environment(peers: Peers, job: dict, home: pathlib.Path) -> dict[str, str]:
    return os.environ | {
        "PEER_JOB": json.dumps(job),
        "HOME": str(home),
        "PATH": f"{pathlib.Path(peers.node()).parent}:{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "FASTMCP_CHECK_FOR_UPDATES": "off",
    }


def drive(row: Row, peers: Peers, options: argparse.Namespace, port: int, home: str) -> None:
    """Takes a client through its conversation with the server on that port, or with one that it starts."""
    relay, home = wire.Relay(port), room(home, row)
    ends = home / "ends"
    ends.write_text("")
    row_job = job(row, peers, options, relay.address, ends)
    started, told = time.monotonic(), ""
    try:
        run = subprocess.run(
            peers.command(row.client, row.asked), env=environment(peers, row_job, home), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=SECONDS * 3, check=False,
        )  # fmt: skip
        ended_well = run.returncode == 0 and run.stdout.endswith("done\n") and "FAILED" not in run.stdout
        told = run.stdout if ended_well else run.stdout + run.stderr
        told += closing(row, relay, ends.read_text().split())
        wrong, left_out = missing(row, options, told)
        told += left_out + "".join(f"FAILED {one}\n" for one in wrong)
        row.passed = ended_well and not wrong
    except subprocess.TimeoutExpired as late:
        told = f"FAILED: still running after {late.timeout} s: {late.stdout}"
    finally:
        relay.close()
    row.seconds = time.monotonic() - started
    tell(f"== {row.name} (expects {row.expect})", told)


def room(home: str, row: Row) -> pathlib.Path:
    """A folder for what a row writes."""
    folder = pathlib.Path(home) / row.name.replace(" ", "-")
    folder.mkdir()
    return folder


def tell(title: str, text: str) -> None:
    """In one piece, since rows may run side by side."""
    print(title + "\n   " + text.strip().replace("\n", "\n   "), flush=True)


def closing(row: Row, relay: wire.Relay, ends: list[str]) -> str:
    """How the client left, as the server sees it."""
    if row.transport == "stdio":
        # docquay ends by itself whatever ends it; the example has no handler of signals, and many clients send SIGTERM.
        good = {"0", "-15"} if row.asked else {"0"}
        well = ends and set(ends) <= good
        return f"ok close: the server's code {ends[-1]}\n" if well else f"   the server's codes: {ends}\n"
    told = f"   on the wire: {relay.told()}\n"
    if left := relay.left_open():
        return told + f"   sessions left open: {left}\n"
    sessions = "every session has ended" if row.expect != MODERN else "there was no session"
    if row.expect == MODERN and relay.sessions:
        return told + f"   a modern client was given sessions: {relay.sessions}\n"
    return told + f"ok close: {sessions}\n"


def missing(row: Row, options: argparse.Namespace, told: str) -> tuple[list[str], str]:
    """Exchanges that were neither seen nor left out with a reason, reasons that do not hold; and what was left out."""
    if row.expect == "refused":
        return [] if "ok connect: " in told else ["no word on connect"], ""
    without = dict(row.without)
    if not options.folder and not row.asked:
        without["notification"] = "what is served does not change"
    wrong, left_out = [], ""
    for exchange in ASKED if row.asked else EXCHANGES:
        seen = f"ok {exchange}: " in told
        if not seen and exchange not in without:
            wrong.append(f"no {exchange}")
        elif seen and exchange in without:
            wrong.append(f"{exchange} was seen, so it can be asked for: {without[exchange]}")
        elif not seen:
            left_out += f"-- {exchange}: {without[exchange]}\n"
    return wrong, left_out


# How the server ends under a client: told to, then without a word.
ENDS = [signal.SIGTERM, signal.SIGKILL]
# Below those that the kernel gives out, so that nobody takes one while its server is down.
PORTS = itertools.count(random.randrange(18_000, 30_000))


def port_to_keep() -> int:
    for port in PORTS:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def restart(row: Row, peers: Peers, options: argparse.Namespace, home: str) -> None:
    """Ends the server under a client and starts it again on the same port."""
    home = room(home, row)
    log = home / "server.log"
    log.write_text("")
    command = [*options.serve, "--port", str(port_to_keep()), options.source]
    server = Server(command, log)
    relay = wire.Relay(server.port)
    row_job = job(row, peers, options, relay.address, home / "ends")
    started = time.monotonic()
    noise = home / "stderr"
    with noise.open("w") as stderr:
        client = subprocess.Popen(
            peers.command(row.client), env=environment(peers, row_job, home), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=stderr, text=True,
        )  # fmt: skip
    late = threading.Timer(SECONDS * 2, client.kill)
    late.start()
    told, marks = "", []
    try:
        for line in client.stdout:
            if line != "READY\n":
                told += line
                continue
            server.stop(ENDS[len(marks) % len(ENDS)])
            marks.append(len(relay.exchanges))
            server = Server(command, log)
            client.stdin.write("restarted\n")
            client.stdin.flush()
        code = client.wait()
    finally:
        late.cancel()
        client.kill()
        relay.close()
        server.stop()
    ways = re.findall(r"^ok recovery: (by itself|connected anew)", told, re.MULTILINE)
    afterwards = relay.told(marks[0]) if marks else ""
    wrong = [] if code == 0 and told.endswith("done\n") else [f"code {code}"]
    if ways != [row.recovers] * len(ENDS):
        wrong.append(f"came back {ways}")
    # What tells a client that its session is gone. A stream that breaks tells it too.
    if row.expect != MODERN and row.transport != "sse" and "POST /mcp 404" not in afterwards:
        wrong.append("no 404 was seen")
    row.passed, row.seconds = not wrong, time.monotonic() - started
    told += noise.read_text() if wrong else ""
    told += f"   on the wire afterwards: {afterwards}\n" + "".join(f"FAILED {one}\n" for one in wrong)
    tell(f"== {row.name} (expects {row.expect}, {row.recovers})", told)


def side_by_side(work: Callable[[Row], None], rows: list[Row]) -> None:
    with ThreadPoolExecutor(4) as pool:
        # An error of the driver itself comes out here.
        list(pool.map(work, rows))


def table(rows: list[Row]) -> None:
    transports = list(dict.fromkeys(row.transport for row in rows))
    print(f"\n{'client':<18}{'mode':<12}" + "".join(f"{name:<18}" for name in transports))
    for client, mode in dict.fromkeys((row.client, row.mode) for row in rows):
        cells = {row.transport: row for row in rows if (row.client, row.mode) == (client, mode)}
        line = f"{client:<18}{mode:<12}"
        for transport in transports:
            row = cells.get(transport)
            cell = "-" if row is None else f"{row.expect if row.passed else 'FAILED'} {row.seconds:.1f}s"
            line += f"{cell:<18}"
        print(line.rstrip())
    passed = sum(row.passed for row in rows)
    print(f"\nclients: {passed} passed, {len(rows) - passed} failed", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docquay", default=str(ROOT / "target/debug/docquay"), help="the binary")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / "tests/.cache/peers", help="where the clients are")
    parser.add_argument("--source", default=str(ROOT / "tests/peers/docs"), help="what is served")
    parser.add_argument("--query", default="turn the brass key", help="what is searched")
    parser.add_argument("--phrase", default="brass key", help="what the first page must contain")
    parser.add_argument("--only", default="", help="a pattern on 'client mode transport'")
    parser.add_argument("--serve", type=shlex.split, help="another server's command over HTTP, to compare with")
    parser.add_argument("--stdio", type=shlex.split, help="the same server's command over stdio")
    parser.add_argument("--no-reload", action="store_true", help="leave the reloads out (always, if SOURCE is a file)")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    peers = Peers(options.cache)
    rows = [row for row in matrix() if re.search(options.only, row.name)]
    restarted = [row for row in restarts() if not options.serve and re.search(options.only, row.name)]
    with tempfile.TemporaryDirectory(prefix="docquay-peers-") as work:
        options.folder = None
        if pathlib.Path(options.source).is_dir() and not options.no_reload:
            # The reloads write into the folder, so serve a copy.
            options.folder = pathlib.Path(work) / "docs"
            shutil.copytree(options.source, options.folder)
            (options.folder / "watched.md").write_text("# A page that is watched\n")
            options.source = str(options.folder)
        quick = ["--reload-every", "1s"] if options.folder else []
        serve = options.serve or [options.docquay, *quick, "--port", "0", options.source]
        options.stdio = options.stdio or [options.docquay, "stdio", *quick, options.source]
        server = Server(serve, pathlib.Path(work) / "server.log")
        try:
            # A row that waits for a change must be the only one that makes one.
            quiet = [row for row in rows if "notification" in row.without]
            for row in rows:
                if row not in quiet:
                    drive(row, peers, options, server.port, work)
            side_by_side(lambda row: drive(row, peers, options, server.port, work), quiet)
        finally:
            server.stop()
        if not all(row.passed for row in rows):
            print(f"\nthe server's log ends:\n{server.log.read_text()[-4000:]}")
        options.serve = [options.docquay]
        side_by_side(lambda row: restart(row, peers, options, work), restarted)
    table(rows)
    if restarted:
        print("\nafter the server's restart:")
        table(restarted)
    rows += restarted
    return 0 if rows and all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
