// The same with another client, which validates every event against its own schema and prints the errors.
import WebSocket from "ws";
globalThis.WebSocket ??= WebSocket;
const { JetstreamSubscription } = await import("@atcute/jetstream");

const subscription = new JetstreamSubscription({
  url: process.argv[2].replace(/\/subscribe$/, ""),
  wantedCollections: ["app.bsky.feed.post"],
  cursor: Number(process.argv[3]) || undefined,
  onConnectionOpen: () => console.log("open"),
  onError: (error) => console.error(error.issues ?? error),
});
for await (const event of subscription) {
  if (event.kind === "commit") {
    const { operation, rkey, record } = event.commit;
    console.log(JSON.stringify([operation, event.did, rkey, record?.text ?? null]));
  }
}
