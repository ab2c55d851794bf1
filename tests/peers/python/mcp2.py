"""The Python SDK's second major: `mcp.Client`, 2026-07-28 by default."""

import anyio
import mcp_types
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters
from mcp.client.subscriptions import ResourcesListChanged

import judge
from judge import JOB, plain


def target():
    match JOB["transport"]:
        case "http":
            return JOB["url"]
        case "sse":
            return sse_client(JOB["url"])
        case _:
            return StdioServerParameters(command=JOB["command"][0], args=JOB["command"][1:])


async def exchanges(client: Client) -> None:
    judge.tools([plain(tool) for tool in (await client.list_tools()).tools])
    first = judge.found(plain(await client.call_tool("search", {"query": JOB["query"]})))
    judge.fetched(plain(await client.call_tool("fetch", {"id": first})), first)


async def resources(client: Client) -> None:
    uri = judge.resources([plain(one) for one in (await client.list_resources()).resources])
    judge.read(plain(await client.read_resource(uri))["contents"], uri)
    listed = (await client.list_resource_templates()).resource_templates
    template = judge.template([plain(one) for one in listed])
    reference = mcp_types.ResourceTemplateReference(type="ref/resource", uri=template)
    start = uri.removeprefix("docs:///")[:3]
    answer = await client.complete(reference, {"name": "id", "value": start})
    judge.completed(answer.completion.values, start)


async def reload(client: Client) -> None:
    async with client.listen(resources_list_changed=True) as subscription:
        judge.check(subscription.honored.resources_list_changed, "listen: resourcesListChanged was not honoured")
        judge.add_page()
        async for event in subscription:
            judge.check(isinstance(event, ResourcesListChanged), f"listen: an event nobody asked for: {event}")
            break
    judge.say("subscriptions/listen", "resources/list_changed after a reload")
    judge.found(plain(await client.call_tool("search", {"query": judge.RELOADED_WORD})), judge.RELOADED_WORD)


async def main() -> None:
    with anyio.fail_after(JOB["seconds"]):
        async with Client(target(), mode=JOB["mode"]) as client:
            judge.connected(client.protocol_version, client.server_info)
            await exchanges(client)
            if JOB["extras"]:
                await resources(client)
            if JOB["reload"]:
                await reload(client)


anyio.run(main)
print("done", flush=True)
