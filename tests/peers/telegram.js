// telegram-test-api on the port of the first argument, which is the whole of it: it says when it listens.
const TelegramServer = require("telegram-test-api");
const server = new TelegramServer({ port: Number(process.argv[2]), host: "127.0.0.1" });
server.start().then(() => console.log("listening"));
