#!/usr/bin/env python3
"""Runs the official conformance suite: all of it against examples/everything, and against the documentation server
the scenarios that need no fixture; conformance.toml says which and why.

`tests/run conformance` installs the suite and calls this. A failed check fails; so does a scenario that the list does
not know, a check that was excused but passes, and a scenario that checked nothing. Of the fixture a warning or a
skipped check fails too, unless tests/conformance-allow.txt names it.
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
# How the whole suite is asked for, and how many scenarios that is.
WHOLE = [
    (["--requirements", "2025-11-25"], 33),
    (["--requirements", "2026-07-28"], 50),
    (["--suite", "all", "--spec-version", "2025-03-26"], 1),
    (["--suite", "all", "--spec-version", "2025-06-18"], 27),
    (["--suite", "all", "--spec-version", "2025-11-25"], 33),
    (["--suite", "all", "--spec-version", "2026-07-28"], 40),
]


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


def allowed() -> dict[str, str]:
    """Checks that need not succeed, with the reasons."""
    lines = (ROOT / "tests/conformance-allow.txt").read_text().splitlines()
    return dict(line.split(None, 1) for line in lines if line and not line.startswith("#"))


def whole(peers: Peers, url: str, asked: list[str], expected: int, used: set[str]) -> list[str]:
    """Runs the suite against the fixture; returns what is wrong."""
    wrong, may = [], allowed()
    with tempfile.TemporaryDirectory(prefix="docquay-conformance-") as output:
        run = suite(peers, "server", "--url", url, *asked, "--output-dir", output)
        files = list(pathlib.Path(output).rglob("checks.json"))
        for file in files:
            for check in json.loads(file.read_text()):
                if check["status"] in ("SUCCESS", "INFO"):
                    continue
                if check["status"] in ("WARNING", "SKIPPED") and check["id"] in may:
                    used.add(check["id"])
                    continue
                details = json.dumps(check.get("details"))[:1500]
                wrong.append(f"{check['status']} {check['id']}: {check.get('errorMessage')} {details}")
    if len(files) != expected:
        wrong.append(f"{len(files)} scenarios ran, not {expected}: {run.stdout[-2000:]} {run.stderr[-2000:]}")
    if run.returncode != 0:
        wrong.append(f"the suite ended with code {run.returncode}: {run.stdout[-2000:]}")
    return wrong


def fixture(peers: Peers, command: str, work: pathlib.Path) -> tuple[int, int]:
    """Runs the whole suite in every way it offers; returns how many runs passed and failed."""
    log, passed, failed, used = work / "fixture.log", 0, 0, set()
    server = Server([command, "--port", "0"], log)
    try:
        for asked, expected in WHOLE:
            started = time.monotonic()
            wrong = whole(peers, server.address + "/mcp", asked, expected, used)
            passed, failed = (passed, failed + 1) if wrong else (passed + 1, failed)
            verdict = "FAILED" if wrong else "ok"
            print(f"{verdict} everything {' '.join(asked)}: {expected} {time.monotonic() - started:.1f}s", flush=True)
            for line in wrong:
                print(f"   {line}")
    finally:
        server.stop()
    for check in allowed().keys() - used:
        print(f"FAILED tests/conformance-allow.txt allows {check}, which nothing needs")
        failed += 1
    return passed, failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docquay", default=str(ROOT / "target/debug/docquay"))
    parser.add_argument("--everything", default=str(ROOT / "target/debug/examples/everything"))
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / "tests/.cache/peers")
    parser.add_argument("--source", default=str(ROOT / "tests/peers/docs"))
    options = parser.parse_args()
    peers, plan = Peers(options.cache), tomllib.loads((HERE / "conformance.toml").read_text())
    passed, failed = 0, 0
    for name in unlisted(peers, plan):
        print(f"FAILED {name} is neither run nor left out in conformance.toml")
        failed += 1
    with tempfile.TemporaryDirectory(prefix="docquay-conformance-") as work:
        counts = fixture(peers, options.everything, pathlib.Path(work))
        passed, failed = passed + counts[0], failed + counts[1]
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
