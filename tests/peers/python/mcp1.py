"""The Python SDK's first major, that most hosts still carry: legacy revisions only."""

import anyio
import mcp.types
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

import judge
from judge import JOB, plain

CHANGED = anyio.Event()


def transport():
    match JOB["transport"]:
        case "http":
            return streamable_http_client(JOB["url"])
        case "sse":
            return sse_client(JOB["url"])
        case _:
            return stdio_client(StdioServerParameters(command=JOB["command"][0], args=JOB["command"][1:]))


async def on_message(message: object) -> None:
    if isinstance(message, Exception):
        judge.fail(f"the client could not read a message: {message!r}")
    if isinstance(message, mcp.types.ServerNotification):
        if isinstance(message.root, mcp.types.ResourceListChangedNotification):
            CHANGED.set()


async def exchanges(session: ClientSession) -> None:
    judge.tools([plain(tool) for tool in (await session.list_tools()).tools])
    first = judge.found(plain(await session.call_tool("search", {"query": JOB["query"]})))
    judge.fetched(plain(await session.call_tool("fetch", {"id": first})), first)


async def resources(session: ClientSession) -> None:
    uri = judge.resources([plain(one) for one in (await session.list_resources()).resources])
    judge.read(plain(await session.read_resource(AnyUrl(uri)))["contents"], uri)
    listed = (await session.list_resource_templates()).resourceTemplates
    template = judge.template([plain(one) for one in listed])
    reference = mcp.types.ResourceTemplateReference(type="ref/resource", uri=template)
    start = uri.removeprefix("docs:///")[:3]
    answer = await session.complete(reference, {"name": "id", "value": start})
    judge.completed(answer.completion.values, start)


async def reload(session: ClientSession) -> None:
    judge.add_page()
    await CHANGED.wait()
    judge.say("notification", "resources/list_changed after a reload")
    judge.found(plain(await session.call_tool("search", {"query": judge.RELOADED_WORD})), judge.RELOADED_WORD)


async def main() -> None:
    with anyio.fail_after(JOB["seconds"]):
        async with transport() as (reader, writer, *_):
            async with ClientSession(reader, writer, message_handler=on_message) as session:
                greeting = await session.initialize()
                judge.connected(greeting.protocolVersion, greeting.serverInfo)
                await session.send_ping()
                await exchanges(session)
                if JOB["extras"]:
                    await resources(session)
                if JOB["reload"]:
                    await reload(session)


anyio.run(main)
print("done", flush=True)
