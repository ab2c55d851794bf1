#!/usr/bin/env python3
"""Drives examples/everything, the server that asks its clients, with clients that nobody here wrote.

Its tools ask for the client's model, its folders and its person: before 2026-07-28 by requests to the client, since
then in rounds of results. `tests/run asked` builds the example, installs the clients and calls this.
"""

import argparse
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

from matrix import asked
from run import ROOT, SECONDS, Peers, drive, table


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def listening(port: int, server: subprocess.Popen) -> bool:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--everything", default=str(ROOT / "target/debug/examples/everything"), help="the example")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / "tests/.cache/peers", help="where the clients are")
    parser.add_argument("--only", default="", help="a pattern on 'client mode transport'")
    options = parser.parse_args()
    options.stdio, options.folder, options.query, options.phrase = [options.everything, "stdio"], None, "", ""
    rows = [row for row in asked() if re.search(options.only, row.name)]
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="docquay-asked-") as work:
        server = subprocess.Popen(
            [options.everything], env=os.environ | {"PORT": str(port)}, stdin=subprocess.DEVNULL
        )
        try:
            if not listening(port, server):
                sys.exit(f"{options.everything} does not listen on {port}")
            for row in rows:
                drive(row, Peers(options.cache), options, port, work)
        finally:
            server.terminate()
            server.wait(20)
    table(rows)
    return 0 if rows and all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
