// Drives a server with the real client durable-functions: node drive.js URL MODULES [rpc].
// Without "rpc" the client uses the public prefix. Prints what came of each call as JSON.

"use strict";

const [url, modules, rpc] = process.argv.slice(2);
const df = require(`${modules}/durable-functions`);

const until = async (look, wanted) => {
  for (;;) {
    const found = await look();
    if (wanted(found)) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const refusal = async (call) => {
  try {
    await call;
    return "";
  } catch (error) {
    return error.message;
  }
};

async function drive() {
  process.env.WEBSITE_HOSTNAME = new URL(url).host;
  const key = process.env.PERDURE_KEY;
  const binding = await (await fetch(`${url}/durabletask/binding${key ? `?code=${key}` : ""}`)).json();
  if (!rpc) delete binding.rpcBaseUrl;
  const input = df.input.durableClient();
  const client = df.getClient({ options: { extraInputs: [input] }, extraInputs: new Map([[input, binding]]) });
  const seen = {};
  const longAgo = new Date("2020-01-01T00:00:00Z");
  const reaches = (id, status) => until(() => client.getStatus(id), (it) => it.runtimeStatus === status);

  const made = await client.startNew("Greet", { input: { a: [1, null, "\u00e9"] } });
  await client.raiseEvent(made, "go", { b: 2 });
  seen["completed"] = (await reaches(made, "Completed")).output;
  const status = await client.getStatus(made, { showHistory: true, showHistoryOutput: true, showInput: true });
  seen["input"] = status.input;
  seen["history"] = status.history.map((each) => each.EventType);

  const waits = await client.startNew("Greet", { instanceId: "p-1", input: "x", version: "1.0.0" });
  await client.suspend(waits, "a reason");
  await reaches(waits, "Suspended");
  await client.resume(waits, "go on");
  seen["resumed"] = (await reaches(waits, "Running")).customStatus;
  seen["in use"] = await refusal(client.startNew("Greet", { instanceId: waits }));
  await client.terminate(waits, "it is enough");
  seen["terminated"] = (await reaches(waits, "Terminated")).output;

  const failed = await client.startNew("Greet", { instanceId: "p-2", input: "bad" });
  seen["failed"] = (await reaches(failed, "Failed")).output;
  await client.rewind(failed, "again");
  await reaches(failed, "Failed");
  seen["no definition"] = await refusal(client.startNew("Nope"));
  seen["nobody"] = await refusal(client.getStatus("nobody"));
  seen["rewound wrongly"] = await refusal(client.rewind(made, "x"));

  seen["all"] = (await client.getStatusAll()).map((each) => each.instanceId).filter((id) => id !== made).sort();
  const filter = { createdTimeFrom: longAgo, runtimeStatus: ["Failed", "Completed"] };
  seen["by filter"] = (await client.getStatusBy(filter)).map((each) => each.instanceId).filter((id) => id !== made);

  const entity = new df.EntityId("Counter", "somekey");
  for (const number of [3, 4]) await client.signalEntity(entity, "add", number);
  const state = await until(() => client.readEntityState(entity), (it) => it.entityState === 8);
  seen["entity"] = [state.entityExists, state.entityState];
  seen["no entity"] = (await client.readEntityState(new df.EntityId("Counter", "none"))).entityExists;

  const request = { url: "http://somewhere/else", method: "GET" };
  const options = { timeoutInMilliseconds: 60_000, retryIntervalInMilliseconds: 10 };
  const answer = await client.waitForCompletionOrCreateCheckStatusResponse(request, failed, options);
  seen["waited"] = answer.status;
  const payload = client.createHttpManagementPayload("abc");
  seen["links"] = Object.keys(payload).sort();
  const byFilter = { createdTimeFrom: longAgo, runtimeStatus: ["Failed"] };
  seen["purged"] = [
    (await client.purgeInstanceHistory(made)).instancesDeleted,
    (await client.purgeInstanceHistory(made)).instancesDeleted,
    (await client.purgeInstanceHistoryBy(byFilter)).instancesDeleted,
    (await client.purgeInstanceHistoryBy(byFilter)).instancesDeleted,
  ];
  return seen;
}

drive().then(
  (seen) => process.stdout.write(JSON.stringify(seen)),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
