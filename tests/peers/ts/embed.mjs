// Calls `greet` over the transport, at the target and in the mode given, and answers its question: prints the revision
// and the greeting.

import { Client, SSEClientTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const [transport, target, mode] = process.argv.slice(2);

function wire() {
  switch (transport) {
    case "http":
      return new StreamableHTTPClientTransport(new URL(`${target}/mcp`));
    case "sse":
      return new SSEClientTransport(new URL(`${target}/sse`));
    default:
      return new StdioClientTransport({ command: target, args: ["stdio"] });
  }
}

const options = { capabilities: { elicitation: {} }, versionNegotiation: { mode } };
const client = new Client({ name: "docquay-peers", version: "1" }, options);
client.setRequestHandler("elicitation/create", async (request) => {
  if (request.params.message !== "Your name?") throw new Error(`another question: ${request.params.message}`);
  return { action: "accept", content: { name: "Ada" } };
});
await client.connect(wire());
const result = await client.callTool({ name: "greet", arguments: { greeting: "Good day" } });
console.log(client.getNegotiatedProtocolVersion(), result.content[0].text);
await client.close();
