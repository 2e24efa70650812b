// Which methods a client has, and which of them were called.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const services = (client) => Object.entries(client).filter(([, service]) => typeof service === "object");

// Returns the client with each of its services noting, in `called`, what is called on it from outside.
export function recording(client, called) {
  return Object.fromEntries(services(client).map(([name, service]) => [name, noting(name, service, called)]));
}

function noting(name, service, called) {
  return new Proxy(service, {
    get(target, property) {
      const value = target[property];
      if (typeof value !== "function") return value;
      return (...args) => {
        called.add(`${name}.${property}`);
        return value.apply(target, args);
      };
    },
  });
}

// Returns the names of all methods that a client's services have, but those that their types call private.
export async function publicMethods(client, packageName) {
  const found = await Promise.all(
    Object.entries(client).map(async ([name, service]) => {
      const hidden = await privateMethods(packageName, name);
      return Object.getOwnPropertyNames(Object.getPrototypeOf(service))
        .filter((method) => method !== "constructor" && !hidden.has(method))
        .map((method) => `${name}.${method}`);
    }),
  );
  return found.flat().sort();
}

async function privateMethods(packageName, service) {
  const entry = fileURLToPath(import.meta.resolve(packageName));
  const types = await readFile(
    entry.replace(/index\.js$/, `api-client/src/services/${service}.d.ts`),
    "utf8",
  );
  return new Set([...types.matchAll(/^ {4}private (\w+);/gm)].map(([, method]) => method));
}
