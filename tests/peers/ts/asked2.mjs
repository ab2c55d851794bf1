// The TypeScript SDK's second major, asked by examples/everything: by requests of the server, or in rounds of results.

import * as asked from "./asked.mjs";
import * as judge from "./judge.mjs";
import { client as connecting, isModern, transport } from "./major2.mjs";

await judge.run(async () => {
  const client = connecting(asked.CAPABILITIES);
  client.setRequestHandler("sampling/createMessage", asked.model);
  client.setRequestHandler("roots/list", asked.folders);
  client.setRequestHandler("elicitation/create", asked.person);
  const heard = [];
  client.setNotificationHandler("notifications/message", ({ params }) => heard.push(params.data));
  await client.connect(transport());
  judge.connected(client.getNegotiatedProtocolVersion(), client.getServerVersion());
  const call = (name, args = {}, options) => client.callTool({ name, arguments: args }, options);
  // Since 2026-07-28 each request asks for its own messages, which this client leaves to its program.
  const messages = isModern(client) ? undefined : heard;
  await asked.exchanges(client, call, { elicits: true, messages });
  await client.transport.terminateSession?.();
  await client.close();
});
