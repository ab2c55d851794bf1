"""The matrix: which client, in which mode, over which transport, ends in which revision, and what it cannot do."""

from dataclasses import dataclass, field

MODERN, LEGACY = "2026-07-28", "2025-11-25"
# What every row must show, or leave out with a reason.
EXCHANGES = [
    "connect", "tools/list", "search", "fetch", "unknown tool", "bad arguments", "resources/list", "resources/read",
    "unknown resource", "completion/complete", "notification", "close",
]  # fmt: skip


# The same with examples/everything.
ASKED = [
    "connect", "text", "progress", "logging", "sampling", "roots", "elicitation", "rounds", "three at once", "prompt",
    "resources", "close",
]  # fmt: skip


@dataclass
class Row:
    """One client in one mode over one transport, and the revision that this must end in."""

    client: str
    mode: str
    transport: str
    expect: str
    without: dict[str, str] = field(default_factory=dict)
    bridge: list[str] = field(default_factory=list)
    # After the server's restart: "by itself" or "connected anew". Empty where no restart is asked for.
    recovers: str = ""
    # Talks to examples/everything, which asks its client.
    asked: bool = False
    passed: bool = False
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.client} {self.mode} {self.transport}" + (" restart" if self.recovers else "") + (
            " asked" if self.asked else ""
        )


OLDEST = {"completion/complete": "mcp 1.2.1 has no call for resources/templates/list"}
FASTMCP = {"notification": "fastmcp has no call for subscriptions/listen"}
INSPECTOR = {
    "unknown tool": "the Inspector looks a tool up itself before it calls it",
    "completion/complete": "the Inspector's command line has no such method",
    "notification": "the Inspector's command line ends with each answer",
}

LEAVING = {"close": "the Inspector's command line sends no DELETE and leaves its session to the idle limit"}
REMOTE = {"close": "mcp-remote sends no DELETE and leaves its session to the idle limit"}


def matrix() -> list[Row]:
    """Every client over every transport it has. HTTP+SSE is a legacy transport, whatever the client offers there."""
    return [
        # The first two versions know no Streamable HTTP, or only as a carrier of 2024-11-05.
        Row("mcp-1.2.1", "legacy", "sse", "2024-11-05", OLDEST),
        Row("mcp-1.2.1", "legacy", "stdio", "2024-11-05", OLDEST),
        *three("mcp-1.8.1", "legacy", "2024-11-05"),
        *three("mcp-1.9.4", "legacy", "2025-03-26"),
        *three("mcp-1.10.1", "legacy", "2025-06-18"),
        *three("mcp-1.30.0", "legacy", LEGACY),
        *three("mcp-2.3.0", "auto", MODERN),
        *three("mcp-2.3.0", "legacy", LEGACY),
        Row("mcp-2.3.0", MODERN, "http", MODERN),
        Row("mcp-2.3.0", MODERN, "stdio", MODERN),
        Row("sdk-1.7.0", "legacy", "sse", "2024-11-05"),
        Row("sdk-1.7.0", "legacy", "stdio", "2024-11-05"),
        *three("sdk-1.11.0", "legacy", "2025-03-26"),
        *three("sdk-1.17.0", "legacy", "2025-06-18"),
        *three("sdk-1.32.2", "legacy", LEGACY),
        *three("client-2.4.0", "legacy", LEGACY),
        *three("client-2.4.0", "auto", MODERN),
        Row("client-2.4.0", "pin", "http", MODERN),
        Row("client-2.4.0", "pin", "sse", "refused"),
        Row("client-2.4.0", "pin", "stdio", MODERN),
        Row("fastmcp-4.1", "auto", "http", MODERN, FASTMCP),
        Row("fastmcp-4.1", "auto", "sse", LEGACY),
        Row("fastmcp-4.1", "auto", "stdio", MODERN, FASTMCP),
        Row("fastmcp-4.1", "legacy", "http", LEGACY),
        Row("inspector-2.12", "legacy", "http", LEGACY, INSPECTOR | LEAVING),
        Row("inspector-2.12", "legacy", "sse", LEGACY, INSPECTOR),
        Row("inspector-2.12", "legacy", "stdio", LEGACY, INSPECTOR),
        *three("inspector-2.12", "auto", MODERN, INSPECTOR),
        Row("inspector-2.12", "modern", "http", MODERN, INSPECTOR),
        Row("inspector-2.12", "modern", "stdio", MODERN, INSPECTOR),
        Row("mcp-remote-0.15", "legacy", "http", LEGACY, REMOTE, ["http-only"]),
        Row("mcp-remote-0.15", "legacy", "sse", LEGACY, bridge=["sse-only"]),
        Row("mcp-remote-0.15", "legacy", "http-first", LEGACY, REMOTE, ["http-first"]),
    ]


def three(client: str, mode: str, expect: str, without: dict[str, str] | None = None) -> list[Row]:
    """A client over all three transports."""
    on_sse = LEGACY if expect == MODERN else expect
    revisions = {"http": expect, "sse": on_sse, "stdio": expect}
    return [Row(client, mode, transport, revision, without or {}) for transport, revision in revisions.items()]


def restarts() -> list[Row]:
    """Clients whose server is ended and started again, and how each comes back. Over stdio the server is its child."""
    itself, anew = "by itself", "connected anew"
    rows = [
        ("mcp-1.2.1", "legacy", "sse", "2024-11-05", anew),
        ("mcp-1.8.1", "legacy", "http", "2024-11-05", anew),
        ("mcp-1.8.1", "legacy", "sse", "2024-11-05", anew),
        ("mcp-1.9.4", "legacy", "http", "2025-03-26", anew),
        ("mcp-1.9.4", "legacy", "sse", "2025-03-26", anew),
        ("mcp-1.10.1", "legacy", "http", "2025-06-18", anew),
        ("mcp-1.10.1", "legacy", "sse", "2025-06-18", anew),
        ("mcp-1.30.0", "legacy", "http", LEGACY, anew),
        ("mcp-1.30.0", "legacy", "sse", LEGACY, anew),
        ("mcp-2.3.0", "auto", "http", MODERN, itself),
        ("mcp-2.3.0", "legacy", "http", LEGACY, anew),
        # Over HTTP+SSE an EventSource opens its stream again, and its client goes on without initialize.
        ("sdk-1.7.0", "legacy", "sse", "2024-11-05", itself),
        ("sdk-1.11.0", "legacy", "http", "2025-03-26", anew),
        ("sdk-1.11.0", "legacy", "sse", "2025-03-26", itself),
        ("sdk-1.17.0", "legacy", "http", "2025-06-18", anew),
        ("sdk-1.17.0", "legacy", "sse", "2025-06-18", itself),
        ("sdk-1.32.2", "legacy", "http", LEGACY, anew),
        ("sdk-1.32.2", "legacy", "sse", LEGACY, itself),
        ("client-2.4.0", "auto", "http", MODERN, itself),
        ("client-2.4.0", "legacy", "http", LEGACY, anew),
        ("client-2.4.0", "legacy", "sse", LEGACY, itself),
        ("fastmcp-4.1", "auto", "http", MODERN, itself),
        ("fastmcp-4.1", "legacy", "http", LEGACY, anew),
    ]
    bridged = [("http", "http-only"), ("sse", "sse-only")]
    return [Row(*row, recovers=recovers) for *row, recovers in rows] + [
        Row("mcp-remote-0.15", "legacy", transport, LEGACY, bridge=[strategy], recovers=itself)
        for transport, strategy in bridged
    ]


EARLY = dict.fromkeys(["elicitation", "rounds", "three at once"], "elicitation came with 2025-06-18")
NO_PROGRESS = {"progress": "mcp 1.8.1 hands no progress to its program"}
NO_LEVEL = {"logging": "client 2.4.0 leaves the level of each request to its program"}


def asked() -> list[Row]:
    """Clients that examples/everything asks for their model, their folders and their person."""
    rows = [
        *three("mcp-1.8.1", "legacy", "2024-11-05", EARLY | NO_PROGRESS),
        *three("mcp-1.9.4", "legacy", "2025-03-26", EARLY),
        *three("mcp-1.10.1", "legacy", "2025-06-18"),
        *three("mcp-1.30.0", "legacy", LEGACY),
        *three("mcp-2.3.0", "auto", MODERN),
        Row("mcp-2.3.0", "legacy", "http", LEGACY),
        Row("sdk-1.7.0", "legacy", "sse", "2024-11-05", EARLY),
        Row("sdk-1.7.0", "legacy", "stdio", "2024-11-05", EARLY),
        *three("sdk-1.11.0", "legacy", "2025-03-26", EARLY),
        *three("sdk-1.17.0", "legacy", "2025-06-18"),
        *three("sdk-1.32.2", "legacy", LEGACY),
        Row("client-2.4.0", "legacy", "http", LEGACY),
        Row("client-2.4.0", "auto", "http", MODERN, NO_LEVEL),
        Row("client-2.4.0", "auto", "stdio", MODERN, NO_LEVEL),
    ]
    for row in rows:
        row.asked = True
    return rows
