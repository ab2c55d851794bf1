"""What becomes of a client whose server is killed and started again on the same port.

It goes on by itself, or its program has to connect it anew; the driver (../run.py) kills and starts the server when it
reads READY, and knows which of the two is right for this client.
"""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

import judge
from judge import JOB

Session = Any
Work = Callable[[Session], Awaitable[None]]
# Calls after which a client that has not come back by itself will not, and how many seconds one may take.
TRIES, PATIENCE = 3, 5


async def restarted() -> None:
    print("READY", flush=True)
    line = await anyio.to_thread.run_sync(sys.stdin.readline)
    judge.check(line == "restarted\n", f"the driver said {line!r}")


async def goes_on(session: Session, search: Callable[[Session, str], Awaitable[dict]]) -> str:
    """Empty if a search succeeds, else what the last one came to."""
    trouble = ""
    for _ in range(TRIES):
        try:
            with anyio.fail_after(PATIENCE):
                judge.found(await search(session, JOB["query"]))
                return ""
        except Exception as error:
            trouble = f"{type(error).__name__}: {error}"
    return trouble


async def survive(
    through: Callable[[Work], Awaitable[None]],
    connected: Work,
    search: Callable[[Session, str], Awaitable[dict]],
) -> None:
    """Lets the server be restarted JOB["restart"] times and says after each how the client came back."""
    left, trouble, connections = JOB["restart"], "", 0

    async def work(session: Session) -> None:
        nonlocal left, trouble, connections
        await connected(session)
        judge.found(await search(session, JOB["query"]))
        connections += 1
        if trouble:
            judge.say("recovery", f"connected anew, after {trouble}")
        trouble = ""
        while left and not trouble:
            left -= 1
            # What stands if the client's own tasks break and take this one along.
            trouble = "its transport broke"
            await restarted()
            trouble = await goes_on(session, search)
            if not trouble:
                judge.say("recovery", "by itself")

    while left or trouble:
        before = connections
        try:
            await through(work)
        except Exception as error:
            # A lost client may also fail to close. One that cannot connect is another matter.
            if not trouble or connections == before:
                raise
            print(f"   the lost client ended with {error!r}", flush=True)
