// The TypeScript SDK's second major, `@modelcontextprotocol/client`, in the mode that the job names.

import * as judge from "./judge.mjs";
import { JOB } from "./judge.mjs";
import { client, isModern, transport } from "./major2.mjs";
import { survive } from "./restart.mjs";

const search = (client, query) => client.callTool({ name: "search", arguments: { query } });

async function exchanges(client) {
  judge.tools((await client.listTools()).tools);
  const first = judge.found(await search(client, JOB.query));
  judge.fetched(await client.callTool({ name: "fetch", arguments: { id: first } }), first);
  judge.unknownTool(await judge.outcome(client.callTool({ name: "no_such_tool", arguments: {} })));
  judge.badArguments(await judge.outcome(client.callTool({ name: "search", arguments: {} })));
}

async function resources(client) {
  const uri = judge.resources((await client.listResources()).resources);
  judge.read((await client.readResource({ uri })).contents, uri);
  // This client shows the newest revision's code for the older one's too.
  judge.unknownResource(await judge.outcome(client.readResource({ uri: "docs:///no/such/page" })), -32602);
  const { resourceTemplates } = await client.listResourceTemplates();
  const start = uri.replace("docs:///", "").slice(0, 3);
  const ref = { type: "ref/resource", uri: resourceTemplates[0].uriTemplate };
  const { completion } = await client.complete({ ref, argument: { name: "id", value: start } });
  judge.completed(completion.values, start);
}

async function reload(client) {
  const notices = new judge.Notices();
  client.setNotificationHandler("notifications/resources/list_changed", () => notices.listChanged());
  client.setNotificationHandler("notifications/resources/updated", ({ params }) => notices.updatedAt(params.uri));
  let subscription;
  if (isModern(client)) {
    subscription = await client.listen({ resourcesListChanged: true, resourceSubscriptions: [judge.WATCHED] });
  } else {
    await client.subscribeResource({ uri: judge.WATCHED });
  }
  judge.changePages();
  await notices.both(subscription ? "subscriptions/listen" : "the session's stream");
  judge.found(await search(client, judge.RELOADED_WORD), judge.RELOADED_WORD);
  await subscription?.close();
}

async function connected() {
  const one = client();
  await one.connect(transport());
  judge.connected(one.getNegotiatedProtocolVersion(), one.getServerVersion());
  return one;
}

async function refused() {
  let answer = "";
  await client()
    .connect(transport())
    .catch((error) => (answer = error.message));
  judge.check(answer !== "", "connected, although this transport speaks no pinned modern revision");
  judge.say("connect", `refused as it should be: ${answer}`);
}

async function converse() {
  const one = await connected();
  await exchanges(one);
  await resources(one);
  if (JOB.reload) await reload(one);
  // Closing alone leaves a session to its idle limit.
  await one.transport.terminateSession?.();
  await one.close();
}

await judge.run(() => {
  if (JOB.expect === "refused") return refused();
  return JOB.restart ? survive(connected, search) : converse();
});
