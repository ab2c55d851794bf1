#!/usr/bin/env python3
"""Calls the tool of tests/embed-crate with two SDKs, in both eras and over every transport; each answers the question
that the tool asks.

`tests/run embed` builds the crate outside the package, installs the clients and calls this.
"""

import argparse
import pathlib
import socket
import subprocess
import sys
import time

from matrix import LEGACY, MODERN
from run import HERE, ROOT, Peers

SECONDS = 60
# Transport, mode, the revision that this must end in. HTTP+SSE is a legacy transport.
ROWS = [
    ("http", "auto", MODERN),
    ("http", "legacy", LEGACY),
    ("sse", "legacy", LEGACY),
    ("stdio", "auto", MODERN),
    ("stdio", "legacy", LEGACY),
]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / "tests/.cache/peers")
    options = parser.parse_args()
    peers, port = Peers(options.cache), free_port()
    server = subprocess.Popen([options.server, str(port)], stdin=subprocess.DEVNULL)
    passed, failed = 0, 0
    try:
        until = time.monotonic() + SECONDS
        while not listens(port):
            if server.poll() is not None or time.monotonic() > until:
                sys.exit("the server of tests/embed-crate does not listen")
            time.sleep(0.05)
        base = f"http://127.0.0.1:{port}"
        sdks = {
            "python mcp 2.3": [str(options.cache / "mcp2/bin/python"), str(HERE / "python/embed.py")],
            "typescript client 2.4": [peers.node(), str(options.cache / "ts/embed.mjs")],
        }
        for sdk, command in sdks.items():
            for transport, mode, revision in ROWS:
                target = options.server if transport == "stdio" else base
                run = subprocess.run(
                    [*command, transport, target, mode], capture_output=True, text=True, timeout=SECONDS, check=False
                )  # fmt: skip
                fine = run.returncode == 0 and run.stdout.strip() == f"{revision} Good day, Ada!"
                passed, failed = passed + fine, failed + (not fine)
                print(f"{'ok' if fine else 'FAILED'} {sdk} {mode} {transport}: {run.stdout.strip()}", flush=True)
                if not fine:
                    print(run.stderr[-4000:])
    finally:
        server.terminate()
        server.wait(20)
    print(f"\nembed: {passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
