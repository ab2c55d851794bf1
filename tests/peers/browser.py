#!/usr/bin/env python3
"""Opens docquay in a real browser, headless Chromium: as a person would, and as a foreign page would that is after it.

`tests/run browser` installs the browser and calls this. Each case says what it claims; what passes on the wire is noted
by the relay in wire.py, so that a request which the browser kept to itself is told from one that docquay refused.
"""

import argparse
import http.server
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable

from run import ROOT, Server
from wire import Relay

SECONDS = 90
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
    # A foreign site, and one that has its name resolved anew, to its reader's machine: DNS rebinding.
    "--host-resolver-rules=MAP foreign.test 127.0.0.1, MAP rebound.test 127.0.0.1",
]  # fmt: skip

# What a foreign page tries. Each try tells what it could read; `no-cors` shows a page nothing, but sends all the same.
FOREIGN = """<!doctype html><title>foreign</title><pre id="told">nothing yet</pre><script type="module">
const target = new URLSearchParams(location.search).get("target");
const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: {
  protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "foreign", version: "1" } } });
const json = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const read = (path, init) => fetch(target + path, init).then((answer) => answer.text(), (error) => `blocked: ${error}`);
const stream = (path) => new Promise((resolve) => {
  const source = new EventSource(target + path);
  source.addEventListener("endpoint", (event) => { source.close(); resolve(event.data); });
  source.onerror = () => { source.close(); resolve("blocked"); };
});
const told = {
  json: await read("/mcp", { method: "POST", headers: json, body }),
  simple: await read("/mcp", { method: "POST", headers: { "content-type": "text/plain" }, body }),
  blind: await fetch(target + "/mcp", { method: "POST", mode: "no-cors", body }).then((it) => it.type, String),
  page: await read("/docs/guide/lighting"),
  stream: await stream("/sse"),
};
document.getElementById("told").textContent = JSON.stringify(told);
document.title = "done";
</script>"""


def check(condition: object, what: str) -> None:
    if not condition:
        raise AssertionError(what)


class Browser:
    """One start of the browser for each page: nothing is carried from one to the next."""

    def __init__(self, program: str, home: str) -> None:
        self.program, self.home, self.console = program, home, ""

    def open(self, url: str) -> str:
        """The page's DOM, once its scripts are done."""
        with tempfile.TemporaryDirectory(dir=self.home) as profile:
            run = subprocess.run(
                [self.program, *FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom", url],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
            )  # fmt: skip
        self.console = "\n".join(line for line in run.stderr.splitlines() if "CONSOLE" in line)
        check(run.returncode == 0 and run.stdout, f"the browser ended with {run.returncode}: {run.stderr[-3000:]}")
        return run.stdout


class Foreign:
    """A site of somebody else's."""

    def __init__(self) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(FOREIGN.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://foreign.test:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tries(self, browser: Browser, target: str) -> dict[str, str]:
        dom = browser.open(f"{self.origin}/?target={target}")
        told = re.search(r'<pre id="told">(.*?)</pre>', dom, re.DOTALL)
        check(told and "<title>done</title>" in dom, f"the foreign page did not finish: {dom} {browser.console}")
        return json.loads(told[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


class Cases:
    """Each method is a case, its name the claim."""

    def __init__(self, browser: Browser, serve: Callable[..., Server]) -> None:
        self.browser, self.serve = browser, serve

    def a_person_reads_pages_at_every_address(self) -> None:
        server = self.serve()
        try:
            for path, words in {
                "/": "Add it to your assistant",
                "/mcp": "Add it to your assistant",
                "/docs/guide/lighting": "Turn the brass key twice",
            }.items():
                dom = self.browser.open(server.address + path)
                check(re.search(r"<title>.+</title>", dom), f"{path} has no title: {dom[:500]}")
                check(words in dom, f"{path} does not say {words!r}: {dom}")
                # A rule of the page's own policy that the page itself breaks would be told here.
                check(not self.browser.console, f"{path}: {self.browser.console}")
        finally:
            server.stop()

    def a_foreign_page_reads_nothing_and_every_request_of_its_is_refused(self) -> None:
        server, foreign = self.serve(), Foreign()
        relay = Relay(server.port)
        try:
            told = foreign.tries(self.browser, relay.address)
            for name in ("json", "simple", "page", "stream"):
                check(told[name].startswith("blocked"), f"{name} was read: {told[name]}")
            check(told["blind"] == "opaque", f"a blind request shows {told['blind']}")
            answers = {str(exchange) for exchange in relay.exchanges}
            expected = {"OPTIONS /mcp 403", "POST /mcp 403", "GET /docs/guide/lighting 403", "GET /sse 403"}
            check(answers == expected, f"on the wire: {relay.told()}")
        finally:
            relay.close()
            server.stop()

    def a_page_of_an_allowed_origin_is_served(self) -> None:
        foreign = Foreign()
        server = self.serve("--allow-origin", foreign.origin)
        try:
            told = foreign.tries(self.browser, server.address)
            check('"protocolVersion":"2025-11-25"' in told["json"], f"initialize was not read: {told['json']}")
            check("brass key" in told["page"], f"the page was not read: {told['page']}")
            check(told["stream"].startswith("/message?"), f"the stream did not open: {told['stream']}")
        finally:
            server.stop()

    def a_name_that_was_rebound_to_this_machine_gets_no_page(self) -> None:
        server = self.serve()
        try:
            for path in ("/mcp", "/docs/guide/lighting"):
                dom = self.browser.open(f"http://rebound.test:{server.port}{path}")
                check("allow_host" in dom and "rebound.test" in dom, f"{path} does not say why: {dom}")
                check("brass key" not in dom, f"{path} shows the document")
        finally:
            server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docquay", default=str(ROOT / "target/debug/docquay"), help="the binary")
    parser.add_argument("--browser", default="chromium", help="the browser's program")
    options = parser.parse_args()
    passed, failed = 0, 0
    with tempfile.TemporaryDirectory(prefix="docquay-browser-") as work:
        log = pathlib.Path(work) / "server.log"
        log.write_text("")

        def serve(*more: str) -> Server:
            return Server([options.docquay, "--port", "0", *more, str(ROOT / "tests/peers/docs")], log)

        cases = Cases(Browser(options.browser, work), serve)
        for name, case in vars(Cases).items():
            if name.startswith("_"):
                continue
            try:
                case(cases)
                passed += 1
                print(f"ok {name}", flush=True)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                failed += 1
                print(f"FAILED {name}: {error}", flush=True)
    print(f"\nbrowser: {passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
