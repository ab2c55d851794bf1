"""fastmcp's client, that infers its transport from what it is given."""

import anyio
from fastmcp import Client
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport

import judge
from judge import JOB, plain


def transport():
    match JOB["transport"]:
        case "http":
            return StreamableHttpTransport(JOB["url"])
        case "sse":
            return SSETransport(JOB["url"])
        case _:
            return StdioTransport(JOB["command"][0], JOB["command"][1:])


async def exchanges(client: Client) -> None:
    judge.tools([plain(tool) for tool in await client.list_tools()])
    first = judge.found(plain(await client.call_tool_mcp("search", {"query": JOB["query"]})))
    judge.fetched(plain(await client.call_tool_mcp("fetch", {"id": first})), first)


async def main() -> None:
    with anyio.fail_after(JOB["seconds"]):
        async with Client(transport(), mode=JOB["mode"]) as client:
            judge.connected(client.protocol_version, client.server_info)
            await exchanges(client)


anyio.run(main)
print("done", flush=True)
