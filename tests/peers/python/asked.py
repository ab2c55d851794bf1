"""What every Python client has to show with examples/everything, which asks its client; judge.py has the rest."""

import json
from typing import Any

import judge

# What the person, the model and the folders behind every client here say.
FORM = {"name": "Ada", "color": "green", "username": "ada", "email": "ada@example.com"}
MODEL = "Paris, says the model"
ROOT = "file:///srv/docs"


def form(schema: dict[str, Any]) -> dict[str, str]:
    """A form of that schema, filled in."""
    return {name: FORM[name] for name in schema["properties"]}


def text(result: dict[str, Any]) -> str:
    judge.check(not result.get("isError"), f"an error: {result}")
    return result["content"][0]["text"]


def said(exchange: str, result: dict[str, Any], expected: str) -> None:
    judge.check(expected in text(result), f"{exchange}: no {expected!r} in {text(result)!r}")
    judge.say(exchange, text(result))


def progress(steps: list[float]) -> None:
    judge.check(steps == [0, 50, 100], f"progress: {steps}")
    judge.say("progress", json.dumps(steps))


def logged(messages: list[Any]) -> None:
    judge.check(len(messages) == 3, f"logging: {messages}")
    judge.say("logging", json.dumps(messages))


def prompt(result: dict[str, Any]) -> None:
    told = result["messages"][0]["content"]["text"]
    judge.check("wick" in told and "oil" in told, f"prompts/get: {told}")
    judge.say("prompt", told)


def resources(static: list[dict[str, Any]], templated: list[dict[str, Any]]) -> None:
    judge.check("static text resource" in static[0]["text"], f"test://static-text: {static}")
    judge.check("123" in templated[0]["text"], f"test://template/123/data: {templated}")
    judge.say("resources", f"{static[0]['uri']}, {templated[0]['uri']}")
