// The TypeScript SDK's first major, 1.7.0 to 1.32: legacy revisions only, each version its newest.

import * as judge from "./judge.mjs";
import { JOB } from "./judge.mjs";
import { Told, transport, types } from "./major1.mjs";
import { survive } from "./restart.mjs";

const search = (client, query) => client.callTool({ name: "search", arguments: { query } });

async function exchanges(client) {
  await client.ping();
  judge.tools((await client.listTools()).tools);
  const first = judge.found(await search(client, JOB.query));
  judge.fetched(await client.callTool({ name: "fetch", arguments: { id: first } }), first);
  judge.unknownTool(await judge.outcome(client.callTool({ name: "no_such_tool", arguments: {} })));
  judge.badArguments(await judge.outcome(client.callTool({ name: "search", arguments: {} })));
}

async function resources(client) {
  const uri = judge.resources((await client.listResources()).resources);
  judge.read((await client.readResource({ uri })).contents, uri);
  judge.unknownResource(await judge.outcome(client.readResource({ uri: "docs:///no/such/page" })));
  const { resourceTemplates } = await client.listResourceTemplates();
  const start = uri.replace("docs:///", "").slice(0, 3);
  const ref = { type: "ref/resource", uri: resourceTemplates[0].uriTemplate };
  const { completion } = await client.complete({ ref, argument: { name: "id", value: start } });
  judge.completed(completion.values, start);
}

async function reload(client) {
  const notices = new judge.Notices();
  client.setNotificationHandler(types.ResourceListChangedNotificationSchema, () => notices.listChanged());
  client.setNotificationHandler(types.ResourceUpdatedNotificationSchema, ({ params }) => notices.updatedAt(params.uri));
  await client.subscribeResource({ uri: judge.WATCHED });
  judge.changePages();
  await notices.both("the session's stream");
  judge.found(await search(client, judge.RELOADED_WORD), judge.RELOADED_WORD);
}

async function connected() {
  const client = new Told({ name: "docquay-peers", version: "1" }, { capabilities: {} });
  await client.connect(await transport());
  judge.connected(client.revision, client.getServerVersion());
  return client;
}

async function converse() {
  const client = await connected();
  await exchanges(client);
  await resources(client);
  if (JOB.reload) await reload(client);
  // Closing alone leaves the session to its idle limit.
  await client.transport.terminateSession?.();
  await client.close();
}

await judge.run(() => (JOB.restart ? survive(connected, search) : converse()));
