import { createHmac, timingSafeEqual } from 'node:crypto';

/** Standard Webhooks (https://www.standardwebhooks.com): older or newer than this is somebody's recording. */
const TOLERANCE_SECONDS = 5 * 60;
const PREFIX = /^(?:v1,)?whsec_/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** Below this a text that looks like base64 may as well be a word. */
const LEAST_DECODED_BYTES = 16;
/** No dot: it separates what is signed. */
const ID = /^[\x21-\x2d\x2f-\x7e]{1,255}$/;

export interface SignedHeaders {
  readonly 'webhook-id'?: string | string[] | undefined;
  readonly 'webhook-timestamp'?: string | string[] | undefined;
  readonly 'webhook-signature'?: string | string[] | undefined;
}

/**
 * The keys that a secret may stand for. `whsec_…` is base64. Of a bare one senders disagree: some take its characters,
 * some take it as base64 as well, so both count.
 */
export function webhookKeys(secret: string): Buffer[] {
  if (PREFIX.test(secret)) return [Buffer.from(secret.replace(PREFIX, ''), 'base64')];
  const keys = [Buffer.from(secret)];
  const decoded = BASE64.test(secret) ? Buffer.from(secret, 'base64') : null;
  if (decoded !== null && decoded.length >= LEAST_DECODED_BYTES) keys.push(decoded);
  return keys;
}

export interface VerifiedWebhook {
  readonly id: string;
  /** When it was signed at the latest, in Unix milliseconds: senders count in seconds. */
  readonly signedBy: number;
}

/** A message that one of the keys signed within the last minutes; or, as text for the log, why it is refused. */
export function verifyWebhook(
  keys: readonly Buffer[],
  headers: SignedHeaders,
  rawBody: Buffer,
  now: number,
): VerifiedWebhook | string {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string') return 'headers';
  if (!ID.test(id) || !/^\d{1,12}$/.test(timestamp)) return 'headers';
  if (Math.abs(Math.floor(now / 1000) - Number(timestamp)) > TOLERANCE_SECONDS) return 'time';
  // Several while the sender changes its secret, of several versions.
  const given = signatures.split(' ').map((signature) => Buffer.from(signature));
  let isSigned = false;
  for (const key of keys) {
    const hmac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(rawBody).digest('base64');
    const expected = Buffer.from(`v1,${hmac}`);
    for (const signature of given) {
      if (signature.length === expected.length && timingSafeEqual(signature, expected)) isSigned = true;
    }
  }
  return isSigned ? { id, signedBy: Number(timestamp) * 1000 + 999 } : 'signature';
}
