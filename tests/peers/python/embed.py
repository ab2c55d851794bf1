"""Calls `greet` at the URL and in the mode given, and answers its question: prints the revision and the greeting."""

import sys

import anyio
import mcp_types
from mcp.client import Client

URL, MODE = sys.argv[1:]


async def answer(_context, params) -> mcp_types.ElicitResult:
    assert params.message == "Your name?", params
    return mcp_types.ElicitResult(action="accept", content={"name": "Ada"})


async def main() -> None:
    with anyio.fail_after(30):
        async with Client(URL, mode=MODE, elicitation_callback=answer) as client:
            result = await client.call_tool("greet", {"greeting": "Good day"})
            print(client.protocol_version, result.content[0].text)


anyio.run(main)
