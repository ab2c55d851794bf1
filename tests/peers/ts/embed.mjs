// Calls `greet` at the URL and in the mode given, and answers its question: prints the revision and the greeting.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const [url, mode] = process.argv.slice(2);
const options = { capabilities: { elicitation: {} }, versionNegotiation: { mode } };
const client = new Client({ name: "docquay-peers", version: "1" }, options);
client.setRequestHandler("elicitation/create", async (request) => {
  if (request.params.message !== "Your name?") throw new Error(`another question: ${request.params.message}`);
  return { action: "accept", content: { name: "Ada" } };
});
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
const result = await client.callTool({ name: "greet", arguments: { greeting: "Good day" } });
console.log(client.getNegotiatedProtocolVersion(), result.content[0].text);
await client.close();
