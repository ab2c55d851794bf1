"""What every Python client has to show, whichever package it comes from.

A client script connects, hands each answer (as plain JSON) to the functions here, and ends with code 0 only if all
of them were content. The job comes from the driver (../run.py) as JSON in PEER_JOB.
"""

import asyncio
import json
import os
import pathlib
import sys
from collections.abc import Awaitable
from typing import Any, NoReturn

JOB: dict[str, Any] = json.loads(os.environ["PEER_JOB"])
MODERN = "2026-07-28"
# What came with which revision: names of revisions are ordered like dates.
HAS_ANNOTATIONS = JOB["expect"] >= "2025-03-26"
HAS_STRUCTURE = JOB["expect"] >= "2025-06-18"
ARGUMENT_ERRORS_ARE_RESULTS = JOB["expect"] >= "2025-11-25"
RESOURCE_NOT_FOUND = -32602 if JOB["expect"] >= MODERN else -32002
INVALID_PARAMS = -32602


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
        if HAS_STRUCTURE:
            check(tool.get("outputSchema", {}).get("type") == "object", f"{name} has no output schema")
        else:
            check("outputSchema" not in tool, f"{name} has an output schema, which {JOB['expect']} does not know")
        if HAS_ANNOTATIONS:
            hints = tool.get("annotations", {})
            check(hints.get("readOnlyHint") is True, f"{name} is not marked read-only: {hints}")
            check(hints.get("openWorldHint") is False, f"{name} is not marked closed-world: {hints}")
        else:
            check("annotations" not in tool, f"{name} has annotations, which {JOB['expect']} does not know")
    say("tools/list", ", ".join(by_name))


def structured(result: dict[str, Any], what: str) -> dict[str, Any]:
    """A tool's answer: its one text, which structuredContent repeats where the revision has it."""
    check(not result.get("isError"), f"{what} answered with an error: {result}")
    content = result.get("content", [])
    check(len(content) == 1 and content[0]["type"] == "text", f"{what}: not exactly one text item: {content}")
    twin = json.loads(content[0]["text"])
    if HAS_STRUCTURE:
        check(result.get("structuredContent") == twin, f"{what}: structuredContent is not what the text says: {result}")
    else:
        check("structuredContent" not in result, f"{what}: structuredContent, which {JOB['expect']} does not know")
    return twin


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


async def outcome(asked: Awaitable[Any]) -> tuple[dict[str, Any] | None, Any]:
    """What came of a request: its result, or the JSON-RPC error that the client raised for it."""
    try:
        return plain(await asked), None
    except Exception as raised:
        # The first major keeps code and message in a field of its exception, the second in the exception itself.
        error = getattr(raised, "error", raised)
        if not hasattr(error, "code"):
            raise
        return None, error


def unknown_tool(result: dict[str, Any] | None, error: Any) -> None:
    check(error and error.code == INVALID_PARAMS, f"an unknown tool: {result or error!r}")
    check("search" in error.message, f"an unknown tool: the error names no known one: {error.message}")
    say("unknown tool", f"{error.code} {error.message}")


def bad_arguments(result: dict[str, Any] | None, error: Any) -> None:
    """A search without a query. Since 2025-11-25 the model is told, not the program."""
    if ARGUMENT_ERRORS_ARE_RESULTS:
        check(result and result.get("isError"), f"no query: not a result for the model: {result or error!r}")
        message = result["content"][0]["text"]
    else:
        check(error and error.code == INVALID_PARAMS, f"no query: {result or error!r}")
        message = error.message
    check('"query"' in message, f"no query: the error does not name it: {message}")
    say("bad arguments", message)


def unknown_resource(result: dict[str, Any] | None, error: Any) -> None:
    check(error and error.code == RESOURCE_NOT_FOUND, f"an unknown resource: {result or error!r}")
    say("unknown resource", f"{error.code} {error.message}")


RELOADED_WORD = f"zanzibarine{os.getpid()}"
WATCHED = "docs:///watched"
LIST_CHANGED, UPDATED = "notifications/resources/list_changed", "notifications/resources/updated"
HEARD = {LIST_CHANGED: asyncio.Event(), UPDATED: asyncio.Event()}


def hear(method: str, uri: object = None) -> None:
    """Takes a notification that the client was given."""
    if method == UPDATED:
        check(str(uri) == WATCHED, f"told that {uri} was updated, which nobody subscribed to")
    if method in HEARD:
        HEARD[method].set()


def hear_message(message: Any) -> None:
    """Takes whatever an SDK hands to its handler of messages."""
    if isinstance(message, Exception):
        if JOB.get("restart"):
            return  # The end of the server, as this client tells it.
        fail(f"the client could not read a message: {message!r}")
    notification = getattr(message, "root", message)
    if method := getattr(notification, "method", None):
        hear(method, getattr(notification.params, "uri", None))


def change_pages() -> None:
    """Adds a page, with a word that no other page has, and changes the watched one, each whole.

    The page stays: taking it away would be a change too, whose notice the next client might take for its own.
    """
    pages = {
        f"added-{os.getpid()}.md": f"# A page added while the client listens\n\nOnly here stands {RELOADED_WORD}.\n",
        "watched.md": f"# A page that is watched\n\nLast changed for process {os.getpid()}.\n",
    }
    folder = pathlib.Path(JOB["reload"])
    for name, text in pages.items():
        hidden = folder / f".{name}"
        hidden.write_text(text)
        hidden.rename(folder / name)


async def noticed(how: str) -> None:
    """Waits until the client was told of both changes."""
    for event in HEARD.values():
        await event.wait()
    say("notification", f"resources/list_changed and resources/updated by {how}")
