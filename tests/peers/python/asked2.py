"""The Python SDK's second major, asked by examples/everything: by requests of the server, or in rounds of results."""

import anyio
import mcp_types as types
from mcp.client import Client

import asked
import judge
from judge import JOB, plain
from mcp2 import target

STEPS: list[float] = []
MESSAGES: list[object] = []


async def model(_, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
    content = types.TextContent(type="text", text=asked.MODEL)
    return types.CreateMessageResult(role="assistant", content=content, model="none")


async def folders(_) -> types.ListRootsResult:
    return types.ListRootsResult(roots=[types.Root(uri=asked.ROOT, name="docs")])


async def person(_, params: types.ElicitRequestParams) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content=asked.form(plain(params)["requestedSchema"]))


async def step(progress: float, total: float | None, message: str | None) -> None:
    STEPS.append(progress)


async def log(params: types.LoggingMessageNotificationParams) -> None:
    MESSAGES.append(params.data)


async def exchanges(client: Client) -> None:
    async def call(tool: str, **arguments: str) -> dict:
        return plain(await client.call_tool(tool, arguments))

    asked.said("text", await call("test_simple_text"), "simple text")
    await client.call_tool("test_tool_with_progress", {}, progress_callback=step)
    asked.progress(STEPS)
    if client.protocol_version != judge.MODERN:
        await client.set_logging_level("debug")
    await call("test_tool_with_logging")
    asked.logged(MESSAGES)
    asked.said("sampling", await call("test_sampling", prompt="The capital of France?"), asked.MODEL)
    asked.said("roots", await call("test_input_required_result_list_roots"), "1 root")
    asked.said("elicitation", await call("test_elicitation", message="Who are you?"), "ada@example.com")
    asked.said("rounds", await call("test_input_required_result_multi_round"), "Ada likes green")
    three = f"Name: Ada; Greeting: {asked.MODEL}; Roots: 1"
    asked.said("three at once", await call("test_input_required_result_multiple_inputs"), three)
    asked.prompt(plain(await client.get_prompt("test_prompt_with_arguments", {"arg1": "wick", "arg2": "oil"})))
    pages = [await client.read_resource(uri) for uri in ("test://static-text", "test://template/123/data")]
    asked.resources(*(plain(page)["contents"] for page in pages))


async def main() -> None:
    callbacks = {"sampling_callback": model, "list_roots_callback": folders, "logging_callback": log}
    with anyio.fail_after(JOB["seconds"]):
        # The level is asked for with each request since 2026-07-28.
        client = Client(target(), mode=JOB["mode"], elicitation_callback=person, log_level="debug", **callbacks)
        async with client:
            judge.connected(client.protocol_version, client.server_info)
            await exchanges(client)


anyio.run(main)
print("done", flush=True)
