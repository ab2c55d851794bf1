#!/usr/bin/env python3
"""Calls the tool of tests/embed-crate with two SDKs in both eras; each answers the question that the tool asks.

`tests/run embed` builds the crate outside the package, installs the clients and calls this.
"""

import argparse
import pathlib
import socket
import subprocess
import sys
import time

from run import HERE, ROOT, Peers

SECONDS = 60


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
    failed = 0
    try:
        until = time.monotonic() + SECONDS
        while not listens(port):
            if server.poll() is not None or time.monotonic() > until:
                sys.exit("the server of tests/embed-crate does not listen")
            time.sleep(0.05)
        url = f"http://127.0.0.1:{port}/mcp"
        clients = {
            "python mcp 2.3, modern": [str(options.cache / "mcp2/bin/python"), str(HERE / "python/embed.py"), url, "auto"],
            "python mcp 2.3, legacy": [str(options.cache / "mcp2/bin/python"), str(HERE / "python/embed.py"), url, "legacy"],
            "typescript client 2.4, modern": [peers.node(), str(options.cache / "ts/embed.mjs"), url, "auto"],
            "typescript client 2.4, legacy": [peers.node(), str(options.cache / "ts/embed.mjs"), url, "legacy"],
        }
        for name, command in clients.items():
            run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
            fine = run.returncode == 0 and run.stdout.strip().endswith("Good day, Ada!")
            failed += not fine
            print(f"{'ok' if fine else 'FAILED'} {name}: {run.stdout.strip()}", flush=True)
            if not fine:
                print(run.stderr[-4000:])
    finally:
        server.terminate()
        server.wait(20)
    print(f"\nembed: {len(clients) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
