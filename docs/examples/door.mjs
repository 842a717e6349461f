// The JSON door from any runtime with WebAssembly and no component model: the core module, by its canonical ABI.
//
// usage: node door.mjs CORE.wasm          replaysafe component export --core CORE.wasm
//
// Asks for the names and the proof of a request (`identify`), and shows that a wrong policy is refused with its reason.

import { readFile } from 'node:fs/promises';

const PACKAGE = 'replaysafe:provisioning';
const CALL = `${PACKAGE}/json@0.1.0#call`;

const module = await WebAssembly.compile(await readFile(process.argv[2]));
if (WebAssembly.Module.imports(module).length) throw new Error('the module imports something: do not run it');

/// A fresh instance for each call: nothing is kept, and a trap costs one call.
async function call(name, parameters) {
  const { exports } = await WebAssembly.instantiate(module, {});
  const text = (string) => {
    const bytes = new TextEncoder().encode(string);
    const at = exports.cabi_realloc(0, 0, 1, bytes.length);
    new Uint8Array(exports.memory.buffer, at, bytes.length).set(bytes);
    return [at, bytes.length];
  };
  const result = exports[CALL](...text(name), ...text(JSON.stringify(parameters)));
  const [at, length] = new Uint32Array(exports.memory.buffer, result, 2);
  const given = JSON.parse(new TextDecoder().decode(new Uint8Array(exports.memory.buffer, at, length)));
  exports[`cabi_post_${CALL}`](result);
  return given;
}

const request = {
  scope: { tenant: 'acme', target: 'https://scim.example.com/v2', source: 'default', principal: 'okta' },
  method: 'create',
  'resource-type': 'User',
  body: JSON.stringify({ userName: 'ada@example.com', externalId: 'hr-1815' }),
  'received-at': 1_700_000_000_000,
  extra: [],
};
const settings = { policy: '{}', schema: '{}', profile: [] };
const { ok } = await call('identify', { request, settings });
console.log(`a create has ${ok.readable.names.length} names: ${ok.readable.names.map((name) => name.kind).join(', ')}`);
console.log(`its credential is proved by a search for ${ok.readable.proof.search.attribute}`);

const { err } = await call('check-policy', { policy: '{"adopt":"sometimes"}' });
console.log(`a wrong policy is refused: ${err.code}`);
