// A real Bluesky server (PDS) with its own identity directory, on the port of the first argument; its data is in a temporary
// folder. Needs node 22, which is installed as a package.
const { mkdtempSync } = require("node:fs");
const { randomBytes } = require("node:crypto");
const { Server } = require("node:net");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { PDS, envToCfg, envToSecrets, readEnv } = require("@atproto/pds");
const plc = require("@did-plc/server");

// Neither server has an option to listen on loopback only.
const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...rest) {
  return listen.call(this, Number(port), "127.0.0.1", ...rest.filter((argument) => typeof argument === "function"));
};

async function main() {
  const folder = mkdtempSync(join(tmpdir(), "pds-"));
  const directory = plc.PlcServer.create({ db: plc.Database.mock(), port: 0 });
  const listener = await directory.start();
  const hex = () => randomBytes(32).toString("hex");
  Object.assign(process.env, {
    PDS_PORT: process.argv[2], PDS_HOSTNAME: "localhost", PDS_DEV_MODE: "true", PDS_DATA_DIRECTORY: folder,
    PDS_BLOBSTORE_DISK_LOCATION: join(folder, "blobs"), PDS_DID_PLC_URL: `http://127.0.0.1:${listener.address().port}`,
    PDS_JWT_SECRET: hex(), PDS_ADMIN_PASSWORD: hex(), PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX: hex(), PDS_DPOP_SECRET: hex(),
    PDS_INVITE_REQUIRED: "false", PDS_SERVICE_HANDLE_DOMAINS: ".test", PDS_DISABLE_SSRF_PROTECTION: "true", LOG_ENABLED: "false",
  });
  const env = readEnv();
  const pds = await PDS.create(envToCfg(env), envToSecrets(env));
  await pds.start();
  console.log("listening");
}
main().catch((error) => { console.error(error); process.exit(1); });
