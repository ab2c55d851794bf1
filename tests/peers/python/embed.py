"""Calls `greet` over the transport, at the target and in the mode given, and answers its question: prints the revision
and the greeting."""

import sys

import anyio
import mcp_types
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters

TRANSPORT, TARGET, MODE = sys.argv[1:]


def target():
    match TRANSPORT:
        case "http":
            return TARGET + "/mcp"
        case "sse":
            return sse_client(TARGET + "/sse")
        case _:
            return StdioServerParameters(command=TARGET, args=["stdio"])


async def answer(_context, params) -> mcp_types.ElicitResult:
    assert params.message == "Your name?", params
    return mcp_types.ElicitResult(action="accept", content={"name": "Ada"})


async def main() -> None:
    with anyio.fail_after(30):
        async with Client(target(), mode=MODE, elicitation_callback=answer) as client:
            result = await client.call_tool("greet", {"greeting": "Good day"})
            print(client.protocol_version, result.content[0].text)


anyio.run(main)
