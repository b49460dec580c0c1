//@ts-check
/** Not crypto.randomUUID, which browsers hide from pages over plain http. */
export function randomId() {
  return Array.from(globalThis.crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('');
}
