// The TypeScript SDK's first major, asked by examples/everything for its model, its folders and its person.

import * as asked from "./asked.mjs";
import * as judge from "./judge.mjs";
import { Told, transport, types } from "./major1.mjs";

// Elicitation came with 2025-06-18, and with its version of the SDK.
const elicits = types.ElicitRequestSchema !== undefined;

await judge.run(async () => {
  const { elicitation, ...older } = asked.CAPABILITIES;
  const capabilities = elicits ? { ...older, elicitation } : older;
  const client = new Told({ name: "docquay-peers", version: "1" }, { capabilities });
  client.setRequestHandler(types.CreateMessageRequestSchema, asked.model);
  client.setRequestHandler(types.ListRootsRequestSchema, asked.folders);
  if (elicits) client.setRequestHandler(types.ElicitRequestSchema, asked.person);
  const messages = [];
  client.setNotificationHandler(types.LoggingMessageNotificationSchema, ({ params }) => messages.push(params.data));
  await client.connect(await transport());
  judge.connected(client.revision, client.getServerVersion());
  const call = (name, args = {}, options) => client.callTool({ name, arguments: args }, undefined, options);
  await asked.exchanges(client, call, { elicits, messages });
  await client.transport.terminateSession?.();
  await client.close();
});
