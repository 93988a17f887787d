// The life of an agent through Letta's TypeScript SDK. Prints what it saw as one JSON object.
import { Letta } from "@letta-ai/letta-client";

const client = new Letta({ baseURL: process.argv[2], apiKey: "any", maxRetries: 0 });
const seen = {};

const agent = await client.agents.create({
  name: "Ada",
  model: "kelpie/echo",
  memory_blocks: [{ label: "human", value: "Bo" }],
  tags: ["typescript"],
});
seen.agent = { id: agent.id === (await client.agents.retrieve(agent.id)).id, name: agent.name };
seen.update = (await client.agents.update(agent.id, { description: "kind" })).description;

const reply = await client.agents.messages.create(agent.id, { messages: [{ role: "user", content: "hello" }] });
seen.reply = reply.messages.map((message) => [message.message_type, message.content]);
seen.stop = reply.stop_reason.stop_reason;
seen.tokens = reply.usage.total_tokens > 0;

const events = [];
const stream = await client.agents.messages.stream(agent.id, {
  messages: [{ role: "user", content: "one two" }],
  stream_tokens: true,
});
for await (const event of stream) events.push(event);
seen.streamed = events.filter((one) => one.message_type === "assistant_message").map((one) => one.content).join("");
seen.ends = events.slice(-2).map((one) => one.message_type);

const listed = [];
for await (const message of client.agents.messages.list(agent.id, { limit: 2, order: "asc" })) listed.push(message);
seen.listed = listed.filter((one) => one.message_type === "user_message").map((one) => one.content);

const block = await client.agents.blocks.update("human", { agent_id: agent.id, value: "Cy" });
seen.block = (await client.blocks.retrieve(block.id)).value;

const agents = [];
for await (const one of client.agents.list({ tags: ["typescript"], limit: 1 })) agents.push(one.name);
seen.agents = agents;

const file = await client.agents.exportFile(agent.id);
const text = typeof file === "string" ? file : JSON.stringify(file);
const copy = await client.agents.importFile({ file: new File([text], "ada.af") });
seen.copy = (await client.agents.retrieve(copy.agent_ids[0])).name;

await client.agents.delete(agent.id);
seen.gone = await client.agents.retrieve(agent.id).catch((error) => error.status);
console.log(JSON.stringify(seen));
