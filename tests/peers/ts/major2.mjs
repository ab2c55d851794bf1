// The TypeScript SDK's second major: its client in the mode that the job names, and its transports.

import { Client, SSEClientTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

import { JOB, MODERN } from "./judge.mjs";

export function transport() {
  switch (JOB.transport) {
    case "http":
      return new StreamableHTTPClientTransport(new URL(JOB.url));
    case "sse":
      return new SSEClientTransport(new URL(JOB.url));
    default:
      return new StdioClientTransport({ command: JOB.command[0], args: JOB.command.slice(1) });
  }
}

export const isModern = (client) => client.getNegotiatedProtocolVersion() === MODERN;

export function client(capabilities = {}) {
  const mode = JOB.mode === "pin" ? { pin: MODERN } : JOB.mode;
  const options = { versionNegotiation: { mode }, capabilities };
  return new Client({ name: "docquay-peers", version: "1" }, options);
}
