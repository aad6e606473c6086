// An independent client of Jetstream v1: prints the events of the stream at the URL of the first argument.
import { Jetstream } from "@skyware/jetstream";
import WebSocket from "ws";

const jetstream = new Jetstream({
  ws: WebSocket,
  endpoint: process.argv[2],
  wantedCollections: ["app.bsky.feed.post"],
  cursor: Number(process.argv[3]) || undefined,
});
const print = (operation) => (event) =>
  console.log(JSON.stringify([operation, event.did, event.commit.rkey, event.commit.record?.text ?? null]));
jetstream.onCreate("app.bsky.feed.post", print("create"));
jetstream.onUpdate("app.bsky.feed.post", print("update"));
jetstream.onDelete("app.bsky.feed.post", print("delete"));
jetstream.on("open", () => console.log("open"));
jetstream.on("error", (error) => console.error(error));
jetstream.start();
