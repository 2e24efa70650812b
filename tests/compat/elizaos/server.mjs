// Runs elizaOS's own server, told by the environment where, with agents that say nothing.
import { AgentServer } from "@elizaos/server";

const { SERVER_PORT, PGLITE_DATA_DIR, POSTGRES_URL } = process.env;
const characters = JSON.parse(process.argv[2]);

const server = new AgentServer();
await server.start({ port: Number(SERVER_PORT), dataDir: PGLITE_DATA_DIR, postgresUrl: POSTGRES_URL });
await server.startAgents(characters.map((character) => ({ character })));
console.log("ready");
