"""fastmcp's client, that infers its transport from what it is given."""

import anyio
import mcp_types
from fastmcp import Client
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport

import judge
import restart
from judge import JOB, plain


def transport():
    match JOB["transport"]:
        case "http":
            return StreamableHttpTransport(JOB["url"])
        case "sse":
            return SSETransport(JOB["url"])
        case _:
            # Else it is kept for the next client.
            return StdioTransport(JOB["command"][0], JOB["command"][1:], keep_alive=False)


async def on_message(message: object) -> None:
    judge.hear_message(message)


async def search(client: Client, query: str) -> dict:
    return plain(await client.call_tool_mcp("search", {"query": query}))


async def exchanges(client: Client) -> None:
    judge.tools([plain(tool) for tool in await client.list_tools()])
    first = judge.found(await search(client, JOB["query"]))
    judge.fetched(plain(await client.call_tool_mcp("fetch", {"id": first})), first)
    judge.unknown_tool(*await judge.outcome(client.call_tool_mcp("no_such_tool", {})))
    judge.bad_arguments(*await judge.outcome(client.call_tool_mcp("search", {})))


async def resources(client: Client) -> None:
    uri = judge.resources([plain(one) for one in await client.list_resources()])
    judge.read(plain(await client.read_resource_mcp(uri))["contents"], uri)
    judge.unknown_resource(*await judge.outcome(client.read_resource_mcp("docs:///no/such/page")))
    template = judge.template([plain(one) for one in await client.list_resource_templates()])
    reference = mcp_types.ResourceTemplateReference(type="ref/resource", uri=template)
    start = uri.removeprefix("docs:///")[:3]
    completion = await client.complete(reference, {"name": "id", "value": start})
    judge.completed(completion.values, start)


async def reload(client: Client) -> None:
    await client.session.subscribe_resource(judge.WATCHED)
    judge.change_pages()
    await judge.noticed("the session's stream")
    judge.found(await search(client, judge.RELOADED_WORD), judge.RELOADED_WORD)


async def connected(client: Client) -> None:
    judge.connected(client.protocol_version, client.server_info)


async def converse(client: Client) -> None:
    await connected(client)
    await exchanges(client)
    await resources(client)
    if JOB["reload"] and client.protocol_version != judge.MODERN:
        await reload(client)


async def through(work) -> None:
    """Connects, does the work, and closes."""
    async with Client(transport(), mode=JOB["mode"], message_handler=on_message) as client:
        await work(client)


async def main() -> None:
    with anyio.fail_after(JOB["seconds"]):
        if JOB.get("restart"):
            await restart.survive(through, connected, search)
        else:
            await through(converse)


anyio.run(main)
print("done", flush=True)
