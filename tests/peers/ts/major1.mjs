// The TypeScript SDK's first major, of the version that the job names: its client and its transports.

import { JOB } from "./judge.mjs";

const sdk = JOB.package ?? "@modelcontextprotocol/sdk";
const { Client } = await import(`${sdk}/client/index.js`);
export const types = await import(`${sdk}/types.js`);

/** The first major has no getter for the revision. */
export class Told extends Client {
  async request(request, schema, options) {
    const result = await super.request(request, schema, options);
    if (request.method === "initialize") this.revision = result.protocolVersion;
    return result;
  }
}

export async function transport() {
  switch (JOB.transport) {
    case "http": {
      const { StreamableHTTPClientTransport } = await import(`${sdk}/client/streamableHttp.js`);
      return new StreamableHTTPClientTransport(new URL(JOB.url));
    }
    case "sse": {
      const { SSEClientTransport } = await import(`${sdk}/client/sse.js`);
      return new SSEClientTransport(new URL(JOB.url));
    }
    default: {
      const { StdioClientTransport } = await import(`${sdk}/client/stdio.js`);
      return new StdioClientTransport({ command: JOB.command[0], args: JOB.command.slice(1) });
    }
  }
}
