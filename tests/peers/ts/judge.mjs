// What every TypeScript client has to show, whichever package it comes from; ../python/judge.py is its twin.
// The job comes from the driver (../run.py) as JSON in PEER_JOB.

import { renameSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";

export const JOB = JSON.parse(process.env.PEER_JOB);
export const MODERN = "2026-07-28";
// What came with which revision: names of revisions are ordered like dates.
const HAS_ANNOTATIONS = JOB.expect >= "2025-03-26";
const HAS_STRUCTURE = JOB.expect >= "2025-06-18";
const ARGUMENT_ERRORS_ARE_RESULTS = JOB.expect >= "2025-11-25";
const RESOURCE_NOT_FOUND = JOB.expect >= MODERN ? -32602 : -32002;
const INVALID_PARAMS = -32602;

export class Difference extends Error {}

export function check(condition, what) {
  if (!condition) throw new Difference(what);
}

export function say(exchange, detail) {
  console.log(`ok ${exchange}: ${detail}`);
}

export function connected(version, server) {
  check(version === JOB.expect, `negotiated ${version}, expected ${JOB.expect}`);
  check(server?.name, "the server did not say who it is");
  say("connect", `${version} with ${server.name} ${server.version}`);
}

export function tools(listed) {
  const byName = new Map(listed.map((tool) => [tool.name, tool]));
  for (const name of ["search", "fetch"]) {
    const tool = byName.get(name);
    check(tool, `tools/list has no ${name}: ${[...byName.keys()]}`);
    check(tool.description, `${name} has no description`);
    check(tool.inputSchema?.type === "object", `${name} has no input schema`);
    if (HAS_STRUCTURE) check(tool.outputSchema?.type === "object", `${name} has no output schema`);
    else check(!("outputSchema" in tool), `${name} has an output schema, which ${JOB.expect} does not know`);
    if (HAS_ANNOTATIONS) {
      check(tool.annotations?.readOnlyHint === true, `${name} is not marked read-only`);
      check(tool.annotations?.openWorldHint === false, `${name} is not marked closed-world`);
    } else check(!("annotations" in tool), `${name} has annotations, which ${JOB.expect} does not know`);
  }
  say("tools/list", [...byName.keys()].join(", "));
}

function structured(result, what) {
  check(!result.isError, `${what} answered with an error: ${JSON.stringify(result)}`);
  check(result.content?.length === 1 && result.content[0].type === "text", `${what}: not exactly one text item`);
  const twin = JSON.parse(result.content[0].text);
  if (HAS_STRUCTURE) {
    const same = isDeepStrictEqual(twin, result.structuredContent);
    check(same, `${what}: structuredContent is not what the text says: ${JSON.stringify(result)}`);
  } else check(!("structuredContent" in result), `${what}: structuredContent, which ${JOB.expect} does not know`);
  return twin;
}

/** Judges a search and returns its first result's id. */
export function found(result, query = JOB.query) {
  const { results } = structured(result, "search");
  check(results?.length > 0, `search found nothing for ${query}`);
  for (const one of results)
    for (const field of ["id", "title", "url"])
      check(typeof one[field] === "string" && one[field], `a search result without ${field}: ${JSON.stringify(one)}`);
  say("search", `${results.length} results, first ${results[0].id}`);
  return results[0].id;
}

export function fetched(result, asked) {
  const page = structured(result, "fetch");
  for (const field of ["id", "title", "text", "url"])
    check(typeof page[field] === "string" && page[field], `fetch of ${asked} has no ${field}: ${JSON.stringify(page)}`);
  check(page.text.toLowerCase().includes(JOB.phrase.toLowerCase()), `fetch of ${asked}: no ${JOB.phrase} in its text`);
  say("fetch", `${page.id}, ${page.text.length} characters`);
}

export function resources(listed) {
  check(listed?.length > 0, "resources/list is empty");
  say("resources/list", `${listed.length} resources, first ${listed[0].uri}`);
  return listed[0].uri;
}

export function read(contents, uri) {
  check(contents?.[0]?.text, `resources/read of ${uri} has no text`);
  say("resources/read", `${uri}, ${contents[0].text.length} characters`);
}

export function completed(values, start) {
  check(values?.length > 0, `no completion of ${start}`);
  check(values.every((value) => value.startsWith(start)), `completions of ${start} that do not start so: ${values}`);
  say("completion/complete", `${start} -> ${values.length} ids`);
}

/** What came of a request: its result, or the JSON-RPC error that the client threw for it. */
export async function outcome(asked) {
  try {
    return { result: await asked };
  } catch (error) {
    if (typeof error.code !== "number") throw error;
    return { error };
  }
}

export function unknownTool({ result, error }) {
  check(error?.code === INVALID_PARAMS, `an unknown tool: ${JSON.stringify(result) ?? error?.stack}`);
  check(error.message.includes("search"), `an unknown tool: the error names no known one: ${error.message}`);
  say("unknown tool", `${error.code} ${error.message}`);
}

/** A search without a query. Since 2025-11-25 the model is told, not the program. */
export function badArguments({ result, error }) {
  const told = ARGUMENT_ERRORS_ARE_RESULTS ? result?.isError : error?.code === INVALID_PARAMS;
  check(told, `no query: ${JSON.stringify(result) ?? error?.stack}`);
  const message = error?.message ?? result.content[0].text;
  check(message.includes('"query"'), `no query: the error does not name it: ${message}`);
  say("bad arguments", message);
}

export function unknownResource({ result, error }, code = RESOURCE_NOT_FOUND) {
  check(error?.code === code, `an unknown resource: ${JSON.stringify(result) ?? error?.stack}`);
  say("unknown resource", `${error.code} ${error.message}`);
}

export const RELOADED_WORD = `zanzibarine${process.pid}`;
export const WATCHED = "docs:///watched";

/** The two notices of a reload; `heard` settles when both have come. */
export class Notices {
  constructor() {
    const both = ["listChanged", "updated"].map((name) => new Promise((resolve) => (this[name] = resolve)));
    this.heard = Promise.all(both);
  }

  updatedAt(uri) {
    check(uri === WATCHED, `told that ${uri} was updated, which nobody subscribed to`);
    this.updated();
  }

  async both(how) {
    await this.heard;
    say("notification", `resources/list_changed and resources/updated by ${how}`);
  }
}

/**
 * Adds a page, with a word that no other page has, and changes the watched one, each whole.
 *
 * The page stays: taking it away would be a change too, whose notice the next client might take for its own.
 */
export function changePages() {
  const added = `# A page added while the client listens\n\nOnly here stands ${RELOADED_WORD}.\n`;
  const watched = `# A page that is watched\n\nLast changed for process ${process.pid}.\n`;
  for (const [name, text] of Object.entries({ [`added-${process.pid}.md`]: added, "watched.md": watched })) {
    writeFileSync(`${JOB.reload}/.${name}`, text);
    renameSync(`${JOB.reload}/.${name}`, `${JOB.reload}/${name}`);
  }
}

/** Runs a client to its end: code 0 only if no difference, error or deadline came. */
export async function run(main) {
  const deadline = setTimeout(() => {
    console.log(`FAILED not done after ${JOB.seconds} s`);
    process.exit(1);
  }, JOB.seconds * 1000);
  try {
    await main();
    clearTimeout(deadline);
    console.log("done");
  } catch (error) {
    console.log(`FAILED ${error instanceof Difference ? error.message : error.stack}`);
    process.exitCode = 1;
  }
  process.exit();
}
