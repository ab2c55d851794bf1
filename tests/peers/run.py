#!/usr/bin/env python3
"""Drives docquay with clients that nobody here wrote: the matrix of client, mode and transport.

Each row connects (initialize or discover), lists the tools, searches, and fetches the first result; some also walk
the resources or wait for the notice of a reload. `tests/run clients` installs the clients and calls this. By hand,
against any source:

    tests/run clients --source big-index.json --query 'pod disruption budget' --phrase disruption
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODERN, LEGACY = "2026-07-28", "2025-11-25"
# One client at a time on an idle machine takes two seconds; this is for a loaded one.
SECONDS = 60


@dataclass
class Row:
    """One client in one mode over one transport, and the revision that this must end in."""

    client: str
    mode: str
    transport: str
    expect: str
    extras: bool = False
    reload: bool = False
    bridge: list[str] = field(default_factory=list)
    passed: bool = False
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.client} {self.mode} {self.transport}"


def matrix() -> list[Row]:
    """Every client over every transport it has. HTTP+SSE is a legacy transport, whatever the client offers there."""
    return [
        Row("mcp-2.3.0", "auto", "http", MODERN, extras=True, reload=True),
        Row("mcp-2.3.0", "auto", "sse", LEGACY),
        Row("mcp-2.3.0", "auto", "stdio", MODERN, extras=True, reload=True),
        Row("mcp-2.3.0", "legacy", "http", LEGACY, extras=True),
        Row("mcp-2.3.0", "legacy", "sse", LEGACY),
        Row("mcp-2.3.0", "legacy", "stdio", LEGACY),
        Row("mcp-2.3.0", MODERN, "http", MODERN),
        Row("mcp-2.3.0", MODERN, "stdio", MODERN),
        Row("mcp-1.30.0", "legacy", "http", LEGACY, extras=True, reload=True),
        Row("mcp-1.30.0", "legacy", "sse", LEGACY, extras=True, reload=True),
        Row("mcp-1.30.0", "legacy", "stdio", LEGACY, extras=True, reload=True),
        Row("client-2.4.0", "legacy", "http", LEGACY, extras=True, reload=True),
        Row("client-2.4.0", "legacy", "sse", LEGACY),
        Row("client-2.4.0", "legacy", "stdio", LEGACY),
        Row("client-2.4.0", "auto", "http", MODERN, extras=True, reload=True),
        Row("client-2.4.0", "auto", "sse", LEGACY),
        Row("client-2.4.0", "auto", "stdio", MODERN, extras=True, reload=True),
        Row("client-2.4.0", "pin", "http", MODERN),
        Row("client-2.4.0", "pin", "sse", "refused"),
        Row("client-2.4.0", "pin", "stdio", MODERN),
        Row("sdk-1.32.2", "legacy", "http", LEGACY, extras=True, reload=True),
        Row("sdk-1.32.2", "legacy", "sse", LEGACY, extras=True, reload=True),
        Row("sdk-1.32.2", "legacy", "stdio", LEGACY, extras=True, reload=True),
        Row("fastmcp-4.1", "auto", "http", MODERN),
        Row("fastmcp-4.1", "auto", "sse", LEGACY),
        Row("fastmcp-4.1", "auto", "stdio", MODERN),
        Row("fastmcp-4.1", "legacy", "http", LEGACY),
        Row("inspector-2.12", "legacy", "http", LEGACY, extras=True),
        Row("inspector-2.12", "legacy", "sse", LEGACY),
        Row("inspector-2.12", "legacy", "stdio", LEGACY),
        Row("inspector-2.12", "auto", "http", MODERN, extras=True),
        Row("inspector-2.12", "auto", "sse", LEGACY),
        Row("inspector-2.12", "auto", "stdio", MODERN),
        Row("inspector-2.12", "modern", "http", MODERN),
        Row("inspector-2.12", "modern", "stdio", MODERN),
        Row("mcp-remote-0.15", "legacy", "http", LEGACY, bridge=["http-only"]),
        Row("mcp-remote-0.15", "legacy", "sse", LEGACY, bridge=["sse-only"]),
        Row("mcp-remote-0.15", "legacy", "http-first", LEGACY, bridge=["http-first"]),
    ]


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
        with self.log.open("w") as log:
            for line in self.process.stderr:
                log.write(line)
                log.flush()
                if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                    self.address = self.address or found.group()
                    self.seen.set()
        self.seen.set()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            sys.exit("the server was still running 20 s after SIGTERM")


@dataclass
class Peers:
    """Where tests/run put the clients."""

    cache: pathlib.Path

    def node(self) -> str:
        [found] = self.cache.glob("ts/node_modules/node-linux-*/bin/node")
        return str(found)

    def package(self, path: str) -> str:
        return str(self.cache / "ts/node_modules" / path)

    def command(self, client: str) -> list[str]:
        """What runs a client's script."""
        match client.split("-")[0]:
            case "mcp" if client.startswith("mcp-remote"):
                return [self.node(), str(self.cache / "ts/sdk1.mjs")]
            case "mcp":
                major = client.removeprefix("mcp-")[0]
                return [str(self.cache / f"mcp{major}/bin/python"), str(HERE / f"python/mcp{major}.py")]
            case "fastmcp":
                return [str(self.cache / "fastmcp4/bin/python"), str(HERE / "python/fastmcp4.py")]
            case "client":
                return [self.node(), str(self.cache / "ts/client2.mjs")]
            case "sdk":
                return [self.node(), str(self.cache / "ts/sdk1.mjs")]
            case _:
                return [sys.executable, str(HERE / "python/inspector.py")]


def job(row: Row, peers: Peers, options: argparse.Namespace, address: str) -> dict:
    url = address + ("/sse" if row.transport == "sse" else "/mcp")
    transport, command = row.transport, options.stdio
    if row.bridge:
        proxy = peers.package("mcp-remote/dist/proxy.js")
        transport, command = "stdio", [peers.node(), proxy, url, "--transport", *row.bridge]
    return {
        "transport": transport,
        "mode": row.mode,
        "expect": row.expect,
        "url": url,
        "command": command,
        "inspector": [peers.node(), peers.package("@modelcontextprotocol/inspector/clients/launcher/build/index.js")],
        "query": options.query,
        "phrase": options.phrase,
        "extras": row.extras,
        "reload": str(options.folder) if row.reload and options.folder else "",
        "seconds": SECONDS,
    }


def drive(row: Row, peers: Peers, options: argparse.Namespace, address: str, home: str) -> None:
    environment = os.environ | {
        "PEER_JOB": json.dumps(job(row, peers, options, address)),
        "HOME": home,
        "PATH": f"{pathlib.Path(peers.node()).parent}:{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "FASTMCP_CHECK_FOR_UPDATES": "off",
    }
    started = time.monotonic()
    print(f"== {row.name} (expects {row.expect})", flush=True)
    try:
        run = subprocess.run(
            peers.command(row.client), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=SECONDS * 3, check=False,
        )  # fmt: skip
        row.passed = run.returncode == 0 and run.stdout.endswith("done\n") and "FAILED" not in run.stdout
        told = run.stdout if row.passed else run.stdout + run.stderr
    except subprocess.TimeoutExpired as late:
        told = f"FAILED: still running after {late.timeout} s: {late.stdout}"
    row.seconds = time.monotonic() - started
    print("   " + told.strip().replace("\n", "\n   "), flush=True)


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
    with tempfile.TemporaryDirectory(prefix="docquay-peers-") as work:
        options.folder = None
        if pathlib.Path(options.source).is_dir() and not options.no_reload:
            # The reloads write into the folder, so serve a copy.
            options.folder = pathlib.Path(work) / "docs"
            shutil.copytree(options.source, options.folder)
            options.source = str(options.folder)
        quick = ["--reload-every", "1s"] if options.folder else []
        serve = options.serve or [options.docquay, *quick, "--port", "0", options.source]
        options.stdio = options.stdio or [options.docquay, "stdio", *quick, options.source]
        server = Server(serve, pathlib.Path(work) / "server.log")
        try:
            for row in rows:
                drive(row, peers, options, server.address, work)
        finally:
            server.stop()
        if not all(row.passed for row in rows):
            print(f"\nthe server's log ends:\n{server.log.read_text()[-4000:]}")
    table(rows)
    return 0 if rows and all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
