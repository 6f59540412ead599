// Holds the conversations it is given with AWS's Node client, and tells what it got.
//
// One line of JSON on standard input has all of them; one line on standard output is
// the outcome of each. See doc.go for the steps. The directory that has node_modules
// is in SHADOWGPIO_NODE.

import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const require = createRequire(process.env.SHADOWGPIO_NODE + "/");
const { eventstream_rpc, greengrasscoreipc } = require("aws-iot-device-sdk-v2");

const timeout = 20_000;
const quiet = 300;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");

// What a model has as bytes is base64 on the wire and in a conversation.
function fromWire(request) {
  const value = structuredClone(request);
  if (value.payload !== undefined) value.payload = Buffer.from(value.payload, "base64");
  const binary = value.publishMessage?.binaryMessage;
  if (binary) binary.message = Buffer.from(binary.message, "base64");
  if (value.timestamp !== undefined) value.timestamp = new Date(value.timestamp * 1000);
  return value;
}

function toWire(value) {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return Buffer.from(value).toString("base64");
  if (value instanceof Date) return value.getTime() / 1000;
  if (Array.isArray(value)) return value.map(toWire);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toWire(inner)]));
}

function refusal(error) {
  const modelled = error.serviceError;
  if (modelled) return { error: modelled._errorCode, message: modelled.message };
  return { error: eventstream_rpc.RpcErrorType[error.type] ?? error.name, message: error.description ?? error.message };
}

class Inbox {
  events = [];
  async take(count) {
    for (const end = Date.now() + timeout; this.events.length < count && Date.now() < end; ) await sleep(5);
    return this.events.splice(0, count);
  }
}

class Conversation {
  inboxes = {};
  operations = {};

  async connect(which) {
    await this.disconnect();
    const token = process.env.SVCUID;
    if (which !== "right") process.env.SVCUID = "WRONGWRONGWRONGW";
    const client = greengrasscoreipc.createClient();
    process.env.SVCUID = token;
    try {
      await client.connect();
    } catch (error) {
      await client.close();
      return { connected: false, detail: String(error) };
    }
    this.client = client;
    this.disconnected = once(client, "disconnection").then(() => true);
    return { connected: true };
  }

  async disconnect() {
    await this.client?.close();
    this.client = undefined;
  }

  async call(step) {
    const method = step.call[0].toLowerCase() + step.call.slice(1);
    try {
      return { response: toWire(await this.client[method](fromWire(step.request))) };
    } catch (error) {
      return refusal(error);
    }
  }

  async subscribe(step) {
    const inbox = (this.inboxes[step.subscribe] = new Inbox());
    const method = step.call[0].toLowerCase() + step.call.slice(1);
    const operation = (this.operations[step.subscribe] = this.client[method](fromWire(step.request)));
    operation.on("message", (message) => inbox.events.push(toWire(message)));
    operation.on("streamError", () => {});
    try {
      return { response: toWire(await operation.activate()) };
    } catch (error) {
      return refusal(error);
    }
  }

  async step(step) {
    if (step.connect) return this.connect(step.connect);
    if (step.subscribe) return this.subscribe(step);
    if (step.events) {
      if (step.count > 0) return { events: await this.inboxes[step.events].take(step.count) };
      await sleep(quiet);
      return { events: this.inboxes[step.events].events };
    }
    if (step.close) {
      await this.operations[step.close].close();
      return { closed: true };
    }
    if (step.ask) {
      say({ ask: step.ask });
      return { answer: (await lines.next()).value };
    }
    if (step.restart) {
      say({ ask: "restart" });
      await lines.next();
      return { noticed: await Promise.race([this.disconnected, sleep(timeout, false, { ref: false })]) };
    }
    const first = await this.call(step);
    let got = first;
    for (let i = 0; i < (step.repeat ?? 0) && JSON.stringify(got) === JSON.stringify(first); i++) got = await this.call(step);
    return got;
  }

  async hold(steps) {
    if (!steps[0].connect) await this.connect("right");
    try {
      const got = [];
      for (const step of steps) got.push(await this.step(step));
      return got;
    } finally {
      await this.disconnect();
    }
  }
}

for (const conversation of JSON.parse((await lines.next()).value)) {
  try {
    say({ name: conversation.name, got: await new Conversation().hold(conversation.steps) });
  } catch (error) {
    say({ name: conversation.name, failure: String(error.stack) });
  }
}
process.exit(0);
