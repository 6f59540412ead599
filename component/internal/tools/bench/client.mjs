// AWS's own client: round trips of GetThingShadow, one duration in ns a line, or a line for so many events.

import { createRequire } from "node:module";

const { greengrasscoreipc } = createRequire(process.env.SHADOWGPIO_NODE + "/")("aws-iot-device-sdk-v2");

async function roundTrips(client, warm, calls) {
  const durations = [];
  for (let i = 0; i < warm + calls; i++) {
    const start = process.hrtime.bigint();
    await client.getThingShadow({ thingName: process.env.AWS_IOT_THING_NAME, shadowName: "bench" });
    if (i >= warm) durations.push(process.hrtime.bigint() - start);
  }
  console.log(durations.join("\n"));
}

async function events(client, subscriptions, batch, count) {
  let taken = 0;
  let finish;
  const done = new Promise((resolve) => (finish = resolve));
  for (let i = 0; i < subscriptions; i++) {
    const operation = client.subscribeToTopic({ topic: "bench/events", receiveMode: "RECEIVE_ALL_MESSAGES" });
    operation.on("message", () => {
      if (++taken % batch === 0) console.log(taken);
      if (taken === count) finish();
    });
    await operation.activate();
  }
  console.log("ready");
  await done;
}

const [what, ...numbers] = process.argv.slice(2);
const client = greengrasscoreipc.createClient();
await client.connect();
await { calls: roundTrips, events }[what](client, ...numbers.map(Number));
await client.close();
