// The TypeScript SDK's first major, that most hosts still carry: legacy revisions only.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ResourceListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";

import * as judge from "./judge.mjs";
import { JOB } from "./judge.mjs";

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
    client.setNotificationHandler(ResourceListChangedNotificationSchema, () => resolve());
  });
  judge.addPage();
  await changed;
  judge.say("notification", "resources/list_changed after a reload");
  judge.found(await client.callTool({ name: "search", arguments: { query: judge.RELOADED_WORD } }), judge.RELOADED_WORD);
}

await judge.run(async () => {
  const client = new Client({ name: "docquay-peers", version: "1" });
  let version;
  const wire = transport();
  // The first major has no getter for the revision; every transport is told it.
  const told = wire.setProtocolVersion?.bind(wire);
  wire.setProtocolVersion = (negotiated) => {
    version = negotiated;
    told?.(negotiated);
  };
  await client.connect(wire);
  judge.connected(version, client.getServerVersion());
  await client.ping();
  await exchanges(client);
  if (JOB.extras) await resources(client);
  if (JOB.reload) await reload(client);
  await client.close();
});
