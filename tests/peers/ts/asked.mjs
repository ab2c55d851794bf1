// What every TypeScript client has to show with examples/everything, which asks its client; ../python/asked.py is its twin.

import * as judge from "./judge.mjs";

// What the person, the model and the folders behind every client here say.
const FORM = { name: "Ada", color: "green", username: "ada", email: "ada@example.com" };
const MODEL = "Paris, says the model";

export const CAPABILITIES = { sampling: {}, roots: {}, elicitation: {} };

export const model = () => ({ role: "assistant", model: "none", content: { type: "text", text: MODEL } });
export const folders = () => ({ roots: [{ uri: "file:///srv/docs", name: "docs" }] });
export function person({ params }) {
  const names = Object.keys(params.requestedSchema.properties);
  return { action: "accept", content: Object.fromEntries(names.map((name) => [name, FORM[name]])) };
}

function said(exchange, result, expected) {
  judge.check(!result.isError, `${exchange}: ${JSON.stringify(result)}`);
  const { text } = result.content[0];
  judge.check(text.includes(expected), `${exchange}: no ${expected} in ${text}`);
  judge.say(exchange, text);
}

/** `call(tool, arguments, options)` calls a tool; `client` has what both majors name alike. */
export async function exchanges(client, call, { elicits, messages }) {
  said("text", await call("test_simple_text"), "simple text");
  const steps = [];
  await call("test_tool_with_progress", {}, { onprogress: ({ progress }) => steps.push(progress) });
  judge.check(String(steps) === "0,50,100", `progress: ${steps}`);
  judge.say("progress", steps.join(", "));
  if (messages) {
    await client.setLoggingLevel("debug");
    await call("test_tool_with_logging");
    judge.check(messages.length === 3, `logging: ${messages}`);
    judge.say("logging", messages.join(", "));
  }
  said("sampling", await call("test_sampling", { prompt: "The capital of France?" }), MODEL);
  said("roots", await call("test_input_required_result_list_roots"), "1 root");
  if (elicits) {
    said("elicitation", await call("test_elicitation", { message: "Who are you?" }), "ada@example.com");
    said("rounds", await call("test_input_required_result_multi_round"), "Ada likes green");
    const three = `Name: Ada; Greeting: ${MODEL}; Roots: 1`;
    said("three at once", await call("test_input_required_result_multiple_inputs"), three);
  }
  const filled = { name: "test_prompt_with_arguments", arguments: { arg1: "wick", arg2: "oil" } };
  const { text } = (await client.getPrompt(filled)).messages[0].content;
  judge.check(text.includes("wick") && text.includes("oil"), `prompts/get: ${text}`);
  judge.say("prompt", text);
  for (const [uri, expected] of [
    ["test://static-text", "static text resource"],
    ["test://template/123/data", "123"],
  ]) {
    const { contents } = await client.readResource({ uri });
    judge.check(contents[0].text.includes(expected), `${uri}: ${JSON.stringify(contents)}`);
  }
  judge.say("resources", "test://static-text, test://template/123/data");
}
