// What becomes of a client whose server is killed and started again on the same port; ../python/restart.py is its twin.

import { createInterface } from "node:readline";

import * as judge from "./judge.mjs";
import { JOB } from "./judge.mjs";

// Calls after which a client that has not come back by itself will not, the pause between them, and how long one may
// take. An EventSource opens its stream again three seconds after it broke.
const TRIES = 4;
const PAUSE_MS = JOB.url.endsWith("/sse") ? 1_500 : 0;
const PATIENCE_MS = 5_000;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function restarted() {
  console.log("READY");
  const { value } = await lines.next();
  judge.check(value === "restarted", `the driver said ${value}`);
}

function inTime(promise) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no answer in ${PATIENCE_MS} ms`)), PATIENCE_MS);
    promise.then(resolve, reject).finally(() => clearTimeout(late));
  });
}

/** Empty if a search succeeds, else what the last one came to. */
async function goesOn(client, search) {
  let trouble = "";
  for (let round = 0; round < TRIES; round += 1) {
    try {
      judge.found(await inTime(search(client, JOB.query)));
      return "";
    } catch (error) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      trouble = `${error.name}: ${error.message}`.trim().replaceAll("\n", " ");
    }
  }
  return trouble;
}

/** Lets the server be restarted `JOB.restart` times and says after each how the client came back. */
export async function survive(connected, search) {
  let client = await connected();
  judge.found(await search(client, JOB.query));
  for (let round = 0; round < JOB.restart; round += 1) {
    await restarted();
    const trouble = await goesOn(client, search);
    if (!trouble) {
      judge.say("recovery", "by itself");
      continue;
    }
    await client.close().catch((error) => console.log(`   the lost client ended with ${error}`));
    client = await connected();
    judge.found(await search(client, JOB.query));
    judge.say("recovery", `connected anew, after ${trouble}`);
  }
  await client.close();
}
