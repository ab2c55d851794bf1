#!/usr/bin/env python3
"""Runs the official conformance suite's scenarios that need no fixture; conformance.toml says which and why.

`tests/run conformance` installs the suite and calls this. A failed check fails; so does a scenario that the list does
not know, a check that was excused but passes, and a scenario that checked nothing.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import tomllib

from run import HERE, ROOT, Peers, Server

SECONDS = 120


def suite(peers: Peers, *arguments: str) -> subprocess.CompletedProcess[str]:
    entry = peers.package("@modelcontextprotocol/conformance/dist/index.js")
    return subprocess.run(
        [peers.node(), entry, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip


def unlisted(peers: Peers, plan: dict) -> list[str]:
    """Scenarios of the suite that the plan neither runs nor leaves out."""
    missing = []
    for revision, chosen in plan["run"].items():
        text = suite(peers, "list", "--server", "--spec-version", revision).stdout
        known = re.findall(r"^  - (\S+) \[([^\]]*)\]", text, re.MULTILINE)
        if not known:
            sys.exit(f"the suite lists no scenario for {revision}: {text}")
        missing += [
            f"{name} ({revision})"
            for name, revisions in known
            if revision in revisions and name not in chosen and name not in plan["left_out"]
        ]
    return missing


def scenario(peers: Peers, plan: dict, url: str, name: str, revision: str) -> list[str]:
    """Runs one scenario; returns what is wrong."""
    excused = {
        check: one["reason"] for one in plan["without"] if one["scenario"] == name for check in one["checks"]
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="docquay-conformance-") as output:
        arguments = ["--url", url, "--scenario", name, "--spec-version", revision, "--output-dir", output]
        run = suite(peers, "server", *arguments)
        files = list(pathlib.Path(output).rglob("checks.json"))
        checks = json.loads(files[0].read_text()) if len(files) == 1 else []
    if not any(check["status"] == "SUCCESS" for check in checks):
        return [f"nothing was checked: {run.stdout[-2000:]} {run.stderr[-2000:]}"]
    wrong = []
    for check in checks:
        failed = check["status"] == "FAILURE"
        if failed and check["id"] not in excused:
            wrong.append(f"{check['id']}: {check.get('errorMessage')} {json.dumps(check.get('details'))[:1500]}")
        elif check["status"] == "SUCCESS" and check["id"] in excused:
            wrong.append(f"{check['id']} passes: take it out of conformance.toml")
        elif check["status"] == "WARNING":
            print(f"   warning {check['id']}: {check.get('errorMessage')}")
    if run.returncode != 0 and not wrong and not excused:
        wrong.append(f"the suite ended with code {run.returncode}: {run.stdout[-2000:]}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docquay", default=str(ROOT / "target/debug/docquay"))
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / "tests/.cache/peers")
    parser.add_argument("--source", default=str(ROOT / "tests/peers/docs"))
    options = parser.parse_args()
    peers, plan = Peers(options.cache), tomllib.loads((HERE / "conformance.toml").read_text())
    passed, failed = 0, 0
    for name in unlisted(peers, plan):
        print(f"FAILED {name} is neither run nor left out in conformance.toml")
        failed += 1
    with tempfile.TemporaryDirectory(prefix="docquay-conformance-") as work:
        log = pathlib.Path(work) / "server.log"
        server = Server([options.docquay, "--port", "0", options.source], log)
        # The suite insists on a URL whose host is a loopback name.
        url = server.address + "/mcp"
        try:
            for revision, names in plan["run"].items():
                for name in names:
                    started = time.monotonic()
                    wrong = scenario(peers, plan, url, name, revision)
                    passed, failed = (passed, failed + 1) if wrong else (passed + 1, failed)
                    verdict = "FAILED" if wrong else "ok"
                    print(f"{verdict} {revision} {name} {time.monotonic() - started:.1f}s", flush=True)
                    for line in wrong:
                        print(f"   {line}")
        finally:
            server.stop()
        if failed:
            print(f"\nthe server's log ends:\n{log.read_text()[-4000:]}")
    print(f"\nconformance: {passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
