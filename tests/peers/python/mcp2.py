"""The Python SDK's second major: `mcp.Client`, 2026-07-28 by default."""

import anyio
import mcp_types
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters
from mcp.client.subscriptions import ResourcesListChanged

import judge
import restart
from judge import JOB, plain


def target():
    match JOB["transport"]:
        case "http":
            return JOB["url"]
        case "sse":
            return sse_client(JOB["url"])
        case _:
            return StdioServerParameters(command=JOB["command"][0], args=JOB["command"][1:])


async def on_message(message: object) -> None:
    judge.hear_message(message)


async def search(client: Client, query: str) -> dict:
    return plain(await client.call_tool("search", {"query": query}))


async def exchanges(client: Client) -> None:
    judge.tools([plain(tool) for tool in (await client.list_tools()).tools])
    first = judge.found(await search(client, JOB["query"]))
    judge.fetched(plain(await client.call_tool("fetch", {"id": first})), first)
    judge.unknown_tool(*await judge.outcome(client.call_tool("no_such_tool", {})))
    judge.bad_arguments(*await judge.outcome(client.call_tool("search", {})))


async def resources(client: Client) -> None:
    uri = judge.resources([plain(one) for one in (await client.list_resources()).resources])
    judge.read(plain(await client.read_resource(uri))["contents"], uri)
    judge.unknown_resource(*await judge.outcome(client.read_resource("docs:///no/such/page")))
    listed = (await client.list_resource_templates()).resource_templates
    template = judge.template([plain(one) for one in listed])
    reference = mcp_types.ResourceTemplateReference(type="ref/resource", uri=template)
    start = uri.removeprefix("docs:///")[:3]
    answer = await client.complete(reference, {"name": "id", "value": start})
    judge.completed(answer.completion.values, start)


async def reload(client: Client) -> None:
    if client.protocol_version == judge.MODERN:
        await listen(client)
    else:
        await client.subscribe_resource(judge.WATCHED)
        judge.change_pages()
        await judge.noticed("the session's stream")
    judge.found(await search(client, judge.RELOADED_WORD), judge.RELOADED_WORD)


async def listen(client: Client) -> None:
    async with client.listen(resources_list_changed=True, resource_subscriptions=[judge.WATCHED]) as subscription:
        honoured = subscription.honored
        judge.check(honoured.resources_list_changed, f"listen: resourcesListChanged was not honoured: {honoured}")
        judge.check(honoured.resource_subscriptions == [judge.WATCHED], f"listen: not what was asked: {honoured}")
        judge.change_pages()
        async for event in subscription:
            if isinstance(event, ResourcesListChanged):
                judge.hear(judge.LIST_CHANGED)
            else:
                judge.hear(judge.UPDATED, event.uri)
            if all(event.is_set() for event in judge.HEARD.values()):
                break
    await judge.noticed("subscriptions/listen")


async def connected(client: Client) -> None:
    judge.connected(client.protocol_version, client.server_info)


async def converse(client: Client) -> None:
    await connected(client)
    await exchanges(client)
    await resources(client)
    if JOB["reload"]:
        await reload(client)


async def through(work) -> None:
    """Connects, does the work, and closes."""
    async with Client(target(), mode=JOB["mode"], message_handler=on_message) as client:
        await work(client)


async def main() -> None:
    with anyio.fail_after(JOB["seconds"]):
        if JOB.get("restart"):
            await restart.survive(through, connected, search)
        else:
            await through(converse)


if __name__ == "__main__":
    anyio.run(main)
    print("done", flush=True)
