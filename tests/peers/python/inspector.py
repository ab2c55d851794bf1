"""The Inspector's command line, one process for each exchange."""

import json
import subprocess
from typing import Any

import judge
from judge import JOB


def run(method: str, *more: str) -> subprocess.CompletedProcess[str]:
    match JOB["transport"]:
        case "stdio":
            where, after = ["--transport", "stdio"], JOB["command"]
        case transport:
            where, after = ["--transport", transport, "--server-url", JOB["url"]], []
    era = ["--protocol-era", JOB["mode"]]
    command = [*JOB["inspector"], "--cli", *where, *era, "--format", "json", "--method", method, *more, *after]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=JOB["seconds"], stdin=subprocess.DEVNULL, check=False
    )


def ask(method: str, *more: str) -> dict[str, Any]:
    ended = run(method, *more)
    judge.check(ended.returncode == 0, f"{method}: code {ended.returncode}: {ended.stdout} {ended.stderr}")
    return json.loads(ended.stdout)["result"]


def call(tool: str, **arguments: str) -> list[str]:
    return ["tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments)]


def unknown_resource() -> None:
    """The Inspector shows an error's message, not its code."""
    refused = run("resources/read", "--uri", "docs:///no/such/page")
    judge.check(refused.returncode != 0, f"an unknown resource was read: {refused.stdout}")
    message = json.loads(refused.stderr.splitlines()[-1])["error"]["message"]
    judge.check("no such resource" in message, f"an unknown resource: {message}")
    judge.say("unknown resource", message)


greeting = ask("initialize")
version = greeting["protocolVersion"]
judge.check(version == JOB["expect"], f"negotiated {version}, expected {JOB['expect']}")
judge.say("connect", f"{version} with {greeting['serverInfo']['name']} {greeting['serverInfo']['version']}")
judge.tools(ask("tools/list", "--strict")["tools"])
first = judge.found(ask(*call("search", query=JOB["query"])))
judge.fetched(ask(*call("fetch", id=first)), first)
judge.bad_arguments(json.loads(run(*call("search")).stdout)["result"], None)
uri = judge.resources(ask("resources/list")["resources"])
judge.read(ask("resources/read", "--uri", uri)["contents"], uri)
unknown_resource()
print("done", flush=True)
