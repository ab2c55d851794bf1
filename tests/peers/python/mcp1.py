"""The Python SDK's first major, 1.2.1 to 1.30: legacy revisions only, each version its newest."""

import inspect

import anyio
import mcp.types
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from pydantic import AnyUrl

import judge
import restart
from judge import JOB, plain

HAS_HANDLER = "message_handler" in inspect.signature(ClientSession).parameters


def transport():
    match JOB["transport"]:
        case "http":
            # 1.2.1 has no such transport; the name is another since 1.10.
            from mcp.client import streamable_http as http

            return (getattr(http, "streamable_http_client", None) or http.streamablehttp_client)(JOB["url"])
        case "sse":
            return sse_client(JOB["url"])
        case _:
            return stdio_client(StdioServerParameters(command=JOB["command"][0], args=JOB["command"][1:]))


async def on_message(message: object) -> None:
    judge.hear_message(message)


async def listen(session: ClientSession) -> None:
    """Before 1.3 messages were read from the session instead of handed to a function."""
    async for message in session.incoming_messages:
        judge.hear_message(message)


async def search(session: ClientSession, query: str) -> dict:
    return plain(await session.call_tool("search", {"query": query}))


async def exchanges(session: ClientSession) -> None:
    await session.send_ping()
    judge.tools([plain(tool) for tool in (await session.list_tools()).tools])
    first = judge.found(await search(session, JOB["query"]))
    judge.fetched(plain(await session.call_tool("fetch", {"id": first})), first)
    judge.unknown_tool(*await judge.outcome(session.call_tool("no_such_tool", {})))
    judge.bad_arguments(*await judge.outcome(session.call_tool("search", {})))


async def resources(session: ClientSession) -> None:
    uri = judge.resources([plain(one) for one in (await session.list_resources()).resources])
    judge.read(plain(await session.read_resource(AnyUrl(uri)))["contents"], uri)
    judge.unknown_resource(*await judge.outcome(session.read_resource(AnyUrl("docs:///no/such/page"))))
    if not hasattr(session, "list_resource_templates"):
        return
    listed = (await session.list_resource_templates()).resourceTemplates
    template = judge.template([plain(one) for one in listed])
    # Renamed after 1.10.
    kind = getattr(mcp.types, "ResourceTemplateReference", None) or mcp.types.ResourceReference
    start = uri.removeprefix("docs:///")[:3]
    answer = await session.complete(kind(type="ref/resource", uri=template), {"name": "id", "value": start})
    judge.completed(answer.completion.values, start)


async def reload(session: ClientSession) -> None:
    await session.subscribe_resource(AnyUrl(judge.WATCHED))
    judge.change_pages()
    await judge.noticed("the session's stream")
    judge.found(await search(session, judge.RELOADED_WORD), judge.RELOADED_WORD)


async def connected(session: ClientSession) -> None:
    greeting = await session.initialize()
    judge.connected(greeting.protocolVersion, greeting.serverInfo)


async def converse(session: ClientSession) -> None:
    await connected(session)
    await exchanges(session)
    await resources(session)
    if JOB["reload"]:
        await reload(session)


async def through(work) -> None:
    """Opens a session, does the work in it, and closes it."""
    handler = {"message_handler": on_message} if HAS_HANDLER else {}
    async with transport() as (reader, writer, *_):
        async with ClientSession(reader, writer, **handler) as session, anyio.create_task_group() as tasks:
            if not HAS_HANDLER:
                tasks.start_soon(listen, session)
            await work(session)
            tasks.cancel_scope.cancel()


async def main() -> None:
    with anyio.fail_after(JOB["seconds"]):
        if JOB.get("restart"):
            await restart.survive(through, connected, search)
        else:
            await through(converse)


if __name__ == "__main__":
    anyio.run(main)
    print("done", flush=True)
