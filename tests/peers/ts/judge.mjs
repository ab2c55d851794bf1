// What every TypeScript client has to show, whichever package it comes from; ../python/judge.py is its twin.
// The job comes from the driver (../run.py) as JSON in PEER_JOB.

import { renameSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";

export const JOB = JSON.parse(process.env.PEER_JOB);

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
    check(tool.outputSchema?.type === "object", `${name} has no output schema`);
    check(tool.annotations?.readOnlyHint === true, `${name} is not marked read-only`);
    check(tool.annotations?.openWorldHint === false, `${name} is not marked closed-world`);
  }
  say("tools/list", [...byName.keys()].join(", "));
}

function structured(result, what) {
  check(!result.isError, `${what} answered with an error: ${JSON.stringify(result)}`);
  check(result.content?.length === 1 && result.content[0].type === "text", `${what}: not exactly one text item`);
  check(result.structuredContent, `${what} has no structuredContent`);
  const twin = JSON.parse(result.content[0].text);
  check(isDeepStrictEqual(twin, result.structuredContent), `${what}: the text twin differs from structuredContent`);
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

export const RELOADED_WORD = `zanzibarine${process.pid}`;

/**
 * Puts a new page, with a word that no other page has, into the folder that is served, whole.
 *
 * It stays there: taking it away would be a change too, whose notice the next client might take for its own.
 */
export function addPage() {
  const hidden = `${JOB.reload}/.added-${process.pid}`;
  writeFileSync(hidden, `# A page added while the client listens\n\nOnly here stands ${RELOADED_WORD}.\n`);
  renameSync(hidden, `${JOB.reload}/added-${process.pid}.md`);
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
