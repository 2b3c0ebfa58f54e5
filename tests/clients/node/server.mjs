// The server under test: scripts/test started it and says where, with which user and clients.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const needed = (name) => process.env[name] ?? fail(`${name} is not set: run these tests with scripts/test --only clients`);
const fail = (message) => {
  throw new Error(message);
};

export const demo = JSON.parse(readFileSync(needed("COUNTERSIGN_DEMO"), "utf8"));
export const issuer = new URL(demo.issuer);

/** Runs the command line of Countersign on the same database. */
export function cli(...args) {
  const output = execFileSync(needed("COUNTERSIGN_BIN"), [...args, "--output", "json"], { encoding: "utf8" });
  return JSON.parse(output);
}
