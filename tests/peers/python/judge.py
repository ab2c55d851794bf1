"""What every Python client has to show, whichever package it comes from.

A client script connects, hands each answer (as plain JSON) to the functions here, and ends with code 0 only if all
of them were content. The job comes from the driver (../run.py) as JSON in PEER_JOB.
"""

import json
import os
import pathlib
import sys
from typing import Any, NoReturn

JOB: dict[str, Any] = json.loads(os.environ["PEER_JOB"])


def fail(what: str) -> NoReturn:
    print(f"FAILED {what}", flush=True)
    sys.exit(1)


def check(condition: object, what: str) -> None:
    if not condition:
        fail(what)


def say(exchange: str, detail: object) -> None:
    print(f"ok {exchange}: {detail}", flush=True)


def plain(model: Any) -> Any:
    """A client's model as the JSON that was on the wire."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def connected(version: str | None, server: Any) -> None:
    check(version == JOB["expect"], f"negotiated {version}, expected {JOB['expect']}")
    if server is None:
        # A client pinned to a modern revision asks nothing before its first request.
        check(JOB["mode"] == version, "the server did not say who it is")
        say("connect", f"{version}, nothing asked")
        return
    check(server.name, "the server has no name")
    say("connect", f"{version} with {server.name} {server.version}")


def tools(listed: list[dict[str, Any]]) -> None:
    by_name = {tool["name"]: tool for tool in listed}
    for name in ("search", "fetch"):
        check(name in by_name, f"tools/list has no {name}: {sorted(by_name)}")
        tool = by_name[name]
        check(tool.get("description"), f"{name} has no description")
        check(tool.get("inputSchema", {}).get("type") == "object", f"{name} has no input schema")
        check(tool.get("outputSchema", {}).get("type") == "object", f"{name} has no output schema")
        hints = tool.get("annotations", {})
        check(hints.get("readOnlyHint") is True, f"{name} is not marked read-only: {hints}")
        check(hints.get("openWorldHint") is False, f"{name} is not marked closed-world: {hints}")
    say("tools/list", ", ".join(by_name))


def structured(result: dict[str, Any], what: str) -> dict[str, Any]:
    """A tool's answer: structuredContent, which its one text twin repeats."""
    check(not result.get("isError"), f"{what} answered with an error: {result}")
    content = result.get("content", [])
    check(len(content) == 1 and content[0]["type"] == "text", f"{what}: not exactly one text item: {content}")
    body = result.get("structuredContent")
    check(isinstance(body, dict), f"{what} has no structuredContent: {result}")
    check(json.loads(content[0]["text"]) == body, f"{what}: the text twin differs from structuredContent")
    return body


def found(result: dict[str, Any], query: str | None = None) -> str:
    """Judges a search and returns its first result's id."""
    results = structured(result, "search").get("results")
    check(results, f"search found nothing for {query or JOB['query']!r}")
    for one in results:
        for field in ("id", "title", "url"):
            check(isinstance(one.get(field), str) and one[field], f"a search result without {field}: {one}")
    say("search", f"{len(results)} results, first {results[0]['id']}")
    return results[0]["id"]


def fetched(result: dict[str, Any], asked: str) -> None:
    page = structured(result, "fetch")
    for field in ("id", "title", "text", "url"):
        check(isinstance(page.get(field), str) and page[field], f"fetch of {asked} has no {field}: {page}")
    check(JOB["phrase"].lower() in page["text"].lower(), f"fetch of {asked}: no {JOB['phrase']!r} in {page['text']!r}")
    say("fetch", f"{page['id']}, {len(page['text'])} characters")


def resources(listed: list[dict[str, Any]]) -> str:
    check(listed, "resources/list is empty")
    for one in listed:
        check(one.get("uri") and one.get("name"), f"a resource without uri or name: {one}")
    say("resources/list", f"{len(listed)} resources, first {listed[0]['uri']}")
    return listed[0]["uri"]


def read(contents: list[dict[str, Any]], uri: str) -> None:
    check(contents and contents[0].get("text"), f"resources/read of {uri} has no text: {contents}")
    say("resources/read", f"{uri}, {len(contents[0]['text'])} characters")


def template(listed: list[dict[str, Any]]) -> str:
    uris = [one["uriTemplate"] for one in listed]
    check(any("id" in uri for uri in uris), f"no resource template with an id: {uris}")
    say("resources/templates/list", ", ".join(uris))
    return next(uri for uri in uris if "id" in uri)


def completed(values: list[str], start: str) -> None:
    check(values, f"no completion of {start!r}")
    check(all(value.startswith(start) for value in values), f"completions of {start!r} that do not start so: {values}")
    say("completion/complete", f"{start!r} -> {len(values)} ids")


RELOADED_WORD = f"zanzibarine{os.getpid()}"


def add_page() -> None:
    """Puts a new page, with a word that no other page has, into the folder that is served, whole.

    It stays there: taking it away would be a change too, whose notice the next client might take for its own.
    """
    folder = pathlib.Path(JOB["reload"])
    hidden = folder / f".added-{os.getpid()}"
    hidden.write_text(f"# A page added while the client listens\n\nOnly here stands {RELOADED_WORD}.\n")
    hidden.rename(folder / f"added-{os.getpid()}.md")
