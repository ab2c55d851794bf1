// Holds every message that docquay sent in the tests against the specification's JSON schema of its revision.
//
// schema.mjs FOLDER: the folder's *.jsonl were written by tests/it (harness/record.rs) and by tests/peers/record.py.
//
// Each message is checked twice: as the schema is, and with every object closed, so that nothing is sent which its
// revision does not name. The schemas are those that the official suite carries (2025-03-26 and later), read out of
// its bundle; that of 2024-11-05, which nobody publishes in a package, is made from 2025-03-26's by taking away what that
// revision added. ajv is the suite's own, at the place where the lock puts it.

import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import vm from "node:vm";

const require = createRequire(import.meta.url);
const [Draft07, Draft2020] = [require("ajv").default, require("ajv/dist/2020.js").default];
const formats = require("ajv-formats").default;

const LEGACY = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const MODERN = "2026-07-28";
const META = "io.modelcontextprotocol/";
const WITHOUT_ID = "errors whose request had no readable id";

// ---- The schemas

// The text of the object literal that begins at `start`; its strings are quoted in any of the three ways.
function literal(source, start) {
  for (let at = start, depth = 0; at < source.length; at += 1) {
    const quote = source[at];
    if ("`'\"".includes(quote)) {
      do at += source[at] === "\\" ? 2 : 1;
      while (source[at] !== quote);
    } else if (quote === "{") depth += 1;
    else if (quote === "}" && (depth -= 1) === 0) return source.slice(start, at + 1);
  }
  throw new Error("the suite's bundle ends within a schema");
}

function schemas() {
  const bundle = path.join(import.meta.dirname, "node_modules/@modelcontextprotocol/conformance/dist/index.js");
  const source = readFileSync(bundle, "utf8");
  const table = source.match(/\{"2025-03-26":([\w$]+),"2025-06-18":([\w$]+),"2025-11-25":([\w$]+),\[[\w$]+\]:([\w$]+)\}/);
  if (!table) throw new Error("the suite's bundle has no table of schemas where it had one");
  const read = (name) => {
    const start = source.indexOf(`${name}={$schema:`);
    return vm.runInNewContext(`(${literal(source, start + name.length + 1)})`);
  };
  const [second, third, fourth, fifth] = table.slice(1).map(read);
  return { "2024-11-05": first(second), "2025-03-26": second, "2025-06-18": third, "2025-11-25": fourth, [MODERN]: fifth };
}

// 2024-11-05 is 2025-03-26 without what its changelog lists under "Major changes" and "Other schema changes".
function first(second) {
  const schema = structuredClone(second);
  const { definitions } = schema;
  const isAudio = (each) => each.$ref === "#/definitions/AudioContent";
  const unions = [
    definitions.CallToolResult.properties.content.items,
    definitions.CreateMessageResult.properties.content,
    definitions.PromptMessage.properties.content,
    definitions.SamplingMessage.properties.content,
  ];
  for (const union of unions) union.anyOf = union.anyOf.filter((each) => !isAudio(each));
  definitions.JSONRPCMessage.anyOf = definitions.JSONRPCMessage.anyOf.filter((each) => each.type !== "array");
  delete definitions.ProgressNotification.properties.params.properties.message;
  delete definitions.ServerCapabilities.properties.completions;
  delete definitions.Tool.properties.annotations;
  for (const name of ["AudioContent", "JSONRPCBatchRequest", "JSONRPCBatchResponse", "ToolAnnotations"]) delete definitions[name];
  return schema;
}

// Forbids what a schema does not name, but for what is open by its nature: JSON schemas, `_meta`, parts of an `allOf`.
function closed(schema, key = "") {
  if (typeof schema !== "object" || schema === null || OPEN.test(key)) return schema;
  if (Array.isArray(schema)) return schema.map((each) => closed(each));
  const copy = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value, name)]));
  if (copy.type !== "object" || !copy.properties || "additionalProperties" in copy) return copy;
  // Until 2025-06-18 the definition of a call leaves out what every message has.
  const envelope = copy.properties.method?.const ? { jsonrpc: true, id: true } : {};
  return { ...copy, properties: { ...envelope, ...copy.properties }, additionalProperties: false };
}

const OPEN = /^(inputSchema|outputSchema|allOf|_meta|.*Meta|.*MetaObject)$/;

// What an extension adds to the schema's own objects: tasks, to the filter of a subscription.
const EXTENSIONS = new Set(["taskIds"]);

class Revision {
  constructor(schema) {
    this.key = "$defs" in schema ? "$defs" : "definitions";
    this.names = schema[this.key];
    this.newest = "DiscoverRequest" in this.names;
    const newer = schema.$schema.includes("2020-12");
    this.validators = [schema, { ...schema, [this.key]: closed(schema[this.key]) }].map((each) => {
      const ajv = new (newer ? Draft2020 : Draft07)({ strict: false, allErrors: true });
      formats(ajv);
      return ajv.addFormat("byte", true).addSchema({ ...each, $id: "mcp" });
    });
    this.results = new Map();
    this.calls = new Map();
    this.errors = new Map();
    for (const [name, definition] of Object.entries(this.names)) {
      for (const part of definition.properties?.error?.allOf ?? []) {
        if (part.properties?.code?.const) this.errors.set(part.properties.code.const, name);
      }
      const method = definition.properties?.method?.const;
      if (!method) continue;
      this.calls.set(method, name);
      const result = name.replace(/Request$/, "Result");
      this.results.set(method, result in this.names && result !== name ? result : "Result");
    }
  }

  // What is wrong with a value that must be of this definition.
  wrong(name, value) {
    return this.validators.flatMap((ajv, index) => {
      const validate = ajv.getSchema(`mcp#/${this.key}/${name}`);
      if (validate(value)) return [];
      const errors = validate.errors.filter((error) => !EXTENSIONS.has(error.params.additionalProperty));
      const told = errors.slice(0, 6).map((error) => `${name}${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
      return index === 1 ? told.map((each) => `closed: ${each}`) : told;
    });
  }

  // Which definition a result has: that of its method, if it is not one of those that may stand in for it.
  kind(result, method) {
    if (this.newest && result.resultType === "input_required") return "InputRequiredResult";
    if (this.newest && result.resultType === "task") return "Result";
    if ("CreateTaskResult" in this.names && method === "tools/call" && result.task) return "CreateTaskResult";
    return this.results.get(method) ?? "Result";
  }

  envelope(...names) {
    return names.find((name) => name in this.names);
  }

  // What is wrong with a message; `methods` are those that a response may answer.
  message(message, methods) {
    if (message.method !== undefined) {
      const name = this.calls.get(message.method);
      if (name) return this.wrong(name, message);
      // A server may send only what its revision has; the tasks of 2026-07-28 are an extension's.
      const extension = this.newest && message.method.startsWith("notifications/tasks");
      return extension ? this.wrong("JSONRPCNotification", message) : [`this revision has no ${message.method}`];
    }
    if (message.error !== undefined) {
      const { code } = message.error;
      const known = this.errors.get(code);
      // 2026-07-28 basic/index §Error Codes: no others of JSON-RPC's range for servers.
      if (this.newest && code <= -32000 && code >= -32099 && !known) return [`there is no code ${code}`];
      return this.wrong(known ?? this.envelope("JSONRPCErrorResponse", "JSONRPCError"), message);
    }
    const wrong = this.wrong(this.envelope("JSONRPCResultResponse", "JSONRPCResponse"), message);
    const each = methods.map((method) => this.wrong(this.kind(message.result, method), message.result));
    return [...wrong, ...(each.some((told) => told.length === 0) ? [] : (each[0] ?? ["it answers nothing that was asked"]))];
  }
}

// ---- What was recorded

const same = (id) => JSON.stringify(id);
const list = (value) => (Array.isArray(value) ? value : [value]);
const isModern = (message) => message?.params?._meta?.[`${META}protocolVersion`] !== undefined;

function parsed(text) {
  try {
    return list(JSON.parse(text.replace(/^\uFEFF/, "")));
  } catch {
    return [];
  }
}

// A body as it was before the chunks; one that was decoded already begins with no length.
function unchunked(body) {
  let [rest, whole] = [body, ""];
  for (let head; (head = rest.match(/^([0-9a-f]+)\r\n/i)); ) {
    const size = parseInt(head[1], 16);
    whole += rest.slice(head[0].length, head[0].length + size);
    rest = rest.slice(head[0].length + size + 2);
  }
  return whole || body;
}

// The events of a stream that carry data; an unfinished one was not received.
function events(body) {
  const blocks = body.replaceAll("\r\n", "\n").split("\n\n").slice(0, -1);
  return blocks.flatMap((block) => {
    const field = (name) => block.split("\n").flatMap((line) => (line.startsWith(`${name}:`) ? [line.slice(name.length + 1).trim()] : []));
    const data = field("data").join("\n");
    return data ? [{ event: field("event")[0], data }] : [];
  });
}

// The messages that a response carries.
function carried(record) {
  const { headers, body } = record.response;
  const type = headers["content-type"] ?? "";
  // Some tests look at the head alone.
  if (type.startsWith("application/json")) return body === "" ? [] : [unchunked(body)];
  if (!type.startsWith("text/event-stream")) return [];
  return events(unchunked(body)).filter((event) => event.event !== "endpoint").map((event) => event.data);
}

// What each session was asked, and the revision that it agreed on: a first pass over everything recorded.
class Sessions {
  constructor() {
    this.asked = new Map();
    this.revisions = new Map();
  }

  ask(session, message) {
    const key = `${session} ${same(message.id)}`;
    if (message.id !== undefined && message.method) this.asked.set(key, [...(this.asked.get(key) ?? []), message.method]);
  }

  methods(session, id) {
    return this.asked.get(`${session} ${same(id)}`) ?? [];
  }
}

const sessionOf = (record) => {
  const { request, response } = record;
  const posted = request.path.match(/^\/message\?sessionId=(.*)$/)?.[1];
  const opened = request.path === "/sse" ? unchunked(response.body).match(/sessionId=(\S+)/)?.[1] : undefined;
  const id = posted ?? opened ?? response.headers["mcp-session-id"] ?? request.headers["mcp-session-id"];
  return id && `${record.scope} ${id}`;
};

function learn(sessions, record) {
  const session = sessionOf(record);
  if (!session) return;
  for (const message of parsed(record.request.body)) if (message && !isModern(message)) sessions.ask(session, message);
  const opened = carried(record).flatMap(parsed).find((message) => message?.result?.protocolVersion);
  if (opened) sessions.revisions.set(session, opened.result.protocolVersion);
}

// Each text that was sent, with its revision and what it may answer.
function* ofHttp(sessions, record) {
  const { request } = record;
  const asked = parsed(request.body);
  const version = request.headers["mcp-protocol-version"];
  const modern = !/^\/(message|sse)/.test(request.path) && (asked.some(isModern) || (version !== undefined && !LEGACY.includes(version)));
  const session = sessionOf(record);
  const negotiated = sessions.revisions.get(session) ?? (LEGACY.includes(version) ? version : "2025-11-25");
  const here = (id) => asked.filter((message) => message?.method && same(message.id) === same(id)).map((message) => message.method);
  for (const text of carried(record)) {
    const methods = (id) => (here(id).length ? here(id) : sessions.methods(session, id));
    yield { revision: modern ? MODERN : negotiated, text, methods, from: `${request.method} ${request.path} ${request.body.slice(0, 200)}` };
  }
}

function* ofStdio(record) {
  const asked = new Map();
  const tokens = new Map();
  let negotiated;
  for (const [direction, text] of record.lines) {
    const messages = parsed(text);
    if (direction === ">") {
      for (const message of messages) {
        if (!message?.method || message.id === undefined) continue;
        asked.set(same(message.id), { method: message.method, modern: isModern(message) });
        tokens.set(same(message.params?._meta?.progressToken), isModern(message));
      }
      continue;
    }
    const [message] = messages;
    if (messages.length === 1 && message?.result?.protocolVersion) negotiated = message.result.protocolVersion;
    const meta = message?.params?._meta ?? {};
    const modern =
      asked.get(same(message?.id))?.modern ||
      `${META}subscriptionId` in meta ||
      (message?.method === "notifications/progress" && tokens.get(same(message.params.progressToken))) ||
      (message?.method === "notifications/message" && !negotiated);
    const methods = (id) => (asked.has(same(id)) ? [asked.get(same(id)).method] : []);
    yield { revision: modern ? MODERN : (negotiated ?? "2025-11-25"), text, methods, from: "stdio" };
  }
}

function* sent(sessions, record) {
  if (record.transport === "http") yield* ofHttp(sessions, record);
  else if (record.transport === "stdio") yield* ofStdio(record);
  else yield { revision: record.revision, text: record.message, methods: () => [record.method], from: record.method };
}

// ---- The check

const OLD = new Set(["2024-11-05", "2025-03-26", "2025-06-18"]);

// An error that answers no readable request. Where the schema has room for it, it is checked like any other. Before
// 2025-11-25 the schema asks for an id that is not there; JSON-RPC says null, the transports' pages say none.
function isNameless(revision, message) {
  return message?.error !== undefined && (message.id === undefined || message.id === null) && OLD.has(revision);
}

function namelessWrong(message) {
  const { jsonrpc, id, error, ...more } = message;
  const fine = jsonrpc === "2.0" && Number.isInteger(error.code) && typeof error.message === "string";
  return fine && Object.keys(more).length === 0 ? [] : ["an error without an id is malformed"];
}

// What must not pass: a check that lets everything pass would otherwise look like a good one.
const result = (value) => ({ jsonrpc: "2.0", id: 1, result: value });
const failure = (id, error) => ({ jsonrpc: "2.0", id, error });
const PROBES = [
  ["2024-11-05", "tools/list", result({ tools: [{ name: "a", inputSchema: { type: "object" }, annotations: {} }] })],
  ["2024-11-05", "tools/call", result({ content: [{ type: "audio", data: "aGk=", mimeType: "audio/wav" }] })],
  ["2025-03-26", "tools/call", result({ content: [], structuredContent: {} })],
  ["2025-06-18", "initialize", result({ protocolVersion: "2025-06-18", capabilities: {}, serverInfo: { name: "a" } })],
  ["2025-11-25", "tools/list", result({ tools: [], ttlMs: 5 })],
  ["2025-11-25", "ping", failure(null, { code: -32600, message: "null is no id" })],
  ["2026-07-28", "tools/list", result({ tools: [], resultType: "complete" })],
  ["2026-07-28", "tools/call", result({ content: [] })],
  ["2026-07-28", "ping", failure(1, { code: -32022, message: "it does not say what is supported" })],
  ["2026-07-28", "ping", failure(1, { code: -32002, message: "a code of older revisions" })],
];

function main([folder]) {
  const revisions = Object.fromEntries(Object.entries(schemas()).map(([name, schema]) => [name, new Revision(schema)]));
  const passed = PROBES.filter(([revision, method, message]) => revisions[revision].message(message, [method]).length === 0);
  for (const [revision, , message] of passed) console.log(`FAILED the check lets pass ${revision}: ${JSON.stringify(message)}`);
  const files = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));
  const records = files.flatMap((name) => readFileSync(path.join(folder, name), "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line)));
  const sessions = new Sessions();
  for (const record of records) if (record.transport === "http") learn(sessions, record);
  const counts = Object.fromEntries(Object.keys(revisions).map((name) => [name, { results: 0, errors: 0, notifications: 0, requests: 0 }]));
  let [nameless, bad] = [0, 0];
  for (const record of records) {
    for (const { revision, text, methods, from } of sent(sessions, record)) {
      const messages = parsed(text);
      const told = messages.length === 0 ? ["it is no message"] : [];
      if (text.startsWith("[") && revision !== "2025-03-26") told.push("this revision has no arrays of messages");
      for (const message of messages) {
        if (isNameless(revision, message)) {
          nameless += 1;
          told.push(...namelessWrong(message));
          continue;
        }
        const kind = message.error ? "errors" : message.result ? "results" : message.id === undefined ? "notifications" : "requests";
        counts[revision][kind] += 1;
        told.push(...revisions[revision].message(message, methods(message.id)));
      }
      bad += told.length > 0;
      if (told.length > 0 && bad <= 40) console.log(`FAILED ${revision}: ${told.join("; ")}\n   ${from}\n   ${text.slice(0, 600)}`);
    }
  }
  console.log(`\n${records.length} exchanges and conversations recorded; the messages that docquay sent in them:`);
  console.table(counts);
  console.log(`${nameless} ${WITHOUT_ID}, before 2025-11-25`);
  const silent = Object.entries(counts).filter(([, count]) => count.results === 0).map(([name]) => name);
  if (silent.length > 0) console.log(`FAILED nothing was recorded of ${silent.join(", ")}`);
  console.log(`schema: ${bad} violations`);
  return bad + silent.length + passed.length > 0 ? 1 : 0;
}

process.exitCode = main(process.argv.slice(2));
