import { SIZES } from '../../protocol/limits.ts';

/** From here on the writer is told how much room is left. */
const HINT_BYTES = 2 * 1024;
/** Encrypted bodies are base64 text with a nonce and a tag. */
const SEALED_BYTES = Math.floor((SIZES.messageBody * 3) / 4) - 128;

/** Bytes that a body may still have, below zero when it is too long. Sizes count as UTF-8 JSON. */
export function bytesLeft(text: string, isEncrypted: boolean): number {
  return (isEncrypted ? SEALED_BYTES : SIZES.messageBody) - new TextEncoder().encode(JSON.stringify(text)).length;
}

export function isNearlyFull(left: number): boolean {
  return left < HINT_BYTES;
}
