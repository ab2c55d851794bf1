"""The Inspector's command line, one process for each exchange."""

import json
import subprocess
from typing import Any

import judge
from judge import JOB


def ask(method: str, *more: str) -> dict[str, Any]:
    match JOB["transport"]:
        case "stdio":
            where, after = ["--transport", "stdio"], JOB["command"]
        case transport:
            where, after = ["--transport", transport, "--server-url", JOB["url"]], []
    era = ["--protocol-era", JOB["mode"]]
    command = [*JOB["inspector"], "--cli", *where, *era, "--format", "json", "--method", method, *more, *after]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=JOB["seconds"], stdin=subprocess.DEVNULL, check=False
    )
    judge.check(run.returncode == 0, f"{method}: code {run.returncode}: {run.stdout} {run.stderr}")
    return json.loads(run.stdout)["result"]


def call(tool: str, **arguments: str) -> dict[str, Any]:
    return ask("tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments))


greeting = ask("initialize")
version = greeting["protocolVersion"]
judge.check(version == JOB["expect"], f"negotiated {version}, expected {JOB['expect']}")
judge.say("connect", f"{version} with {greeting['serverInfo']['name']} {greeting['serverInfo']['version']}")
judge.tools(ask("tools/list", "--strict")["tools"])
first = judge.found(call("search", query=JOB["query"]))
judge.fetched(call("fetch", id=first), first)
if JOB["extras"]:
    uri = judge.resources(ask("resources/list")["resources"])
    judge.read(ask("resources/read", "--uri", uri)["contents"], uri)
print("done", flush=True)
