// The TypeScript SDK's second major, `@modelcontextprotocol/client`, in the mode that the job names.

import { Client, SSEClientTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import * as judge from "./judge.mjs";
import { JOB } from "./judge.mjs";

const MODERN = "2026-07-28";

function transport() {
  switch (JOB.transport) {
    case "http":
      return new StreamableHTTPClientTransport(new URL(JOB.url));
    case "sse":
      return new SSEClientTransport(new URL(JOB.url));
    default:
      return new StdioClientTransport({ command: JOB.command[0], args: JOB.command.slice(1) });
  }
}

async function exchanges(client) {
  judge.tools((await client.listTools()).tools);
  const first = judge.found(await client.callTool({ name: "search", arguments: { query: JOB.query } }));
  judge.fetched(await client.callTool({ name: "fetch", arguments: { id: first } }), first);
}

async function resources(client) {
  const uri = judge.resources((await client.listResources()).resources);
  judge.read((await client.readResource({ uri })).contents, uri);
  const { resourceTemplates } = await client.listResourceTemplates();
  const start = uri.replace("docs:///", "").slice(0, 3);
  const ref = { type: "ref/resource", uri: resourceTemplates[0].uriTemplate };
  const { completion } = await client.complete({ ref, argument: { name: "id", value: start } });
  judge.completed(completion.values, start);
}

async function reload(client) {
  const changed = new Promise((resolve) => {
    client.setNotificationHandler("notifications/resources/list_changed", () => resolve());
  });
  const modern = client.getNegotiatedProtocolVersion() === MODERN;
  const subscription = modern ? await client.listen({ resourcesListChanged: true }) : undefined;
  judge.addPage();
  await changed;
  judge.say(modern ? "subscriptions/listen" : "notification", "resources/list_changed after a reload");
  judge.found(await client.callTool({ name: "search", arguments: { query: judge.RELOADED_WORD } }), judge.RELOADED_WORD);
  await subscription?.close();
}

await judge.run(async () => {
  const mode = JOB.mode === "pin" ? { pin: MODERN } : JOB.mode;
  const client = new Client({ name: "docquay-peers", version: "1" }, { versionNegotiation: { mode } });
  if (JOB.expect === "refused") {
    let answer = "";
    await client.connect(transport()).catch((error) => (answer = error.message));
    judge.check(answer !== "", "connected, although this transport speaks no pinned modern revision");
    judge.say("connect", `refused as it should be: ${answer}`);
    return;
  }
  await client.connect(transport());
  judge.connected(client.getNegotiatedProtocolVersion(), client.getServerVersion());
  await exchanges(client);
  if (JOB.extras) await resources(client);
  if (JOB.reload) await reload(client);
  await client.close();
});
