"""The Python SDK's first major, asked by examples/everything for its model, its folders and its person."""

import inspect

import anyio
import mcp.types as types
from mcp import ClientSession
from pydantic import AnyUrl

import asked
import judge
from judge import JOB, plain
from mcp1 import transport

HAS_ELICITATION = "elicitation_callback" in inspect.signature(ClientSession).parameters
HAS_PROGRESS = "progress_callback" in inspect.signature(ClientSession.call_tool).parameters
STEPS: list[float] = []
MESSAGES: list[object] = []


async def model(_, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
    content = types.TextContent(type="text", text=asked.MODEL)
    return types.CreateMessageResult(role="assistant", content=content, model="none")


async def folders(_) -> types.ListRootsResult:
    return types.ListRootsResult(roots=[types.Root(uri=asked.ROOT, name="docs")])


async def person(_, params):
    return types.ElicitResult(action="accept", content=asked.form(params.requestedSchema))


async def step(progress: float, total: float | None, message: str | None) -> None:
    STEPS.append(progress)


async def log(params: types.LoggingMessageNotificationParams) -> None:
    MESSAGES.append(params.data)


async def exchanges(session: ClientSession) -> None:
    async def call(tool: str, **arguments: str) -> dict:
        return plain(await session.call_tool(tool, arguments))

    asked.said("text", await call("test_simple_text"), "simple text")
    if HAS_PROGRESS:
        await session.call_tool("test_tool_with_progress", {}, progress_callback=step)
        asked.progress(STEPS)
    await session.set_logging_level("debug")
    await call("test_tool_with_logging")
    asked.logged(MESSAGES)
    asked.said("sampling", await call("test_sampling", prompt="The capital of France?"), asked.MODEL)
    asked.said("roots", await call("test_input_required_result_list_roots"), "1 root")
    if HAS_ELICITATION:
        asked.said("elicitation", await call("test_elicitation", message="Who are you?"), "ada@example.com")
        asked.said("rounds", await call("test_input_required_result_multi_round"), "Ada likes green")
        three = f"Name: Ada; Greeting: {asked.MODEL}; Roots: 1"
        asked.said("three at once", await call("test_input_required_result_multiple_inputs"), three)
    asked.prompt(plain(await session.get_prompt("test_prompt_with_arguments", {"arg1": "wick", "arg2": "oil"})))
    pages = [await session.read_resource(AnyUrl(uri)) for uri in ("test://static-text", "test://template/123/data")]
    asked.resources(*(plain(page)["contents"] for page in pages))


async def main() -> None:
    callbacks = {"sampling_callback": model, "list_roots_callback": folders, "logging_callback": log}
    if HAS_ELICITATION:
        callbacks["elicitation_callback"] = person
    with anyio.fail_after(JOB["seconds"]):
        async with transport() as (reader, writer, *_), ClientSession(reader, writer, **callbacks) as session:
            greeting = await session.initialize()
            judge.connected(greeting.protocolVersion, greeting.serverInfo)
            await exchanges(session)


anyio.run(main)
print("done", flush=True)
