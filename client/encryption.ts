/**
 * End-to-end encryption of bodies. The server sees who writes when, in which type and how much, and may drop or repeat
 * what it carries; it can neither read a body nor alter it nor pass it off as another participant's, session's, type's or
 * message's: those are authenticated along with it.
 */
import { TandemError } from '../protocol/errors.ts';
import type { JsonObject, JsonValue } from '../protocol/session.ts';
import { fromBase64url, toBase64url } from './base64url.ts';
import { isRecord } from './wire.ts';

/** Where a body belongs. `id` is that of the message; of a signal it is `signal`, which no message can have. */
export interface SealContext {
  sessionId: string;
  from: string;
  type: string;
  id: string;
}

export type Opened<T> = { kind: 'ok'; body: T } | { kind: 'plaintext' } | { kind: 'wrong_key' };

/** JSON and bytes are sealed apart, so that neither opens as the other. */
type Form = 'json' | 'bytes';

/** Of the envelope, JSON (`e2e`) or binary (its first byte), and in the derivation of keys. */
const VERSION = 1;
/** Bytes; what NIST SP 800-38D recommends for a random one. */
const IV_SIZE = 12;
const HEADER_SIZE = 13;
const KEY_SIZE = 32;

/** False on a page over plain http that is not localhost: browsers give WebCrypto to secure contexts alone. */
export function canEncrypt(): boolean {
  // Typed as always there, which holds in secure contexts alone.
  return (globalThis as { crypto?: Partial<Crypto> }).crypto?.subtle !== undefined;
}

export function isMarkedEncrypted(metadata: JsonObject): boolean {
  return Object.hasOwn(metadata, 'e2e');
}

/** One key of an encrypted session. */
export class Cipher {
  /** The key itself: 43 base64url characters. */
  readonly secret: string;
  /** For `metadata.e2e`. `check` follows from the key and tells nothing about it. */
  readonly mark: JsonObject;
  readonly #key: CryptoKey;

  private constructor(secret: string, check: string, key: CryptoKey) {
    this.secret = secret;
    this.mark = { v: VERSION, check };
    this.#key = key;
  }

  /** With a fresh key. Rejects with `FORBIDDEN` where WebCrypto is missing. */
  static async create(): Promise<Cipher> {
    assertCrypto();
    return Cipher.from(toBase64url(randomBytes(KEY_SIZE)));
  }

  /** Rejects with `FORBIDDEN` where WebCrypto is missing, with `INVALID_PAYLOAD` for what is no key. */
  static async from(secret: string): Promise<Cipher> {
    assertCrypto();
    const bytes = fromBase64url(secret);
    if (bytes?.length !== KEY_SIZE) {
      throw new TandemError(
        'INVALID_PAYLOAD',
        'The key of an encrypted session is 43 characters of base64url. Use the whole link.',
      );
    }
    const { subtle } = crypto;
    const root = await subtle.importKey('raw', bytes, 'HKDF', false, ['deriveBits', 'deriveKey']);
    const derivation = (purpose: string) => ({
      name: 'HKDF',
      hash: 'SHA-256',
      salt: utf8('tandem e2e 1'),
      info: utf8(purpose),
    });
    const [key, check] = await Promise.all([
      subtle.deriveKey(derivation('seal'), root, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']),
      subtle.deriveBits(derivation('check'), root, 128),
    ]);
    return new Cipher(secret, toBase64url(new Uint8Array(check)), key);
  }

  /** Whether this is the key of the session with these metadata. */
  fits(metadata: JsonObject): boolean {
    return isRecord(metadata.e2e) && metadata.e2e.check === this.mark.check;
  }

  /** No two envelopes are alike: a message that is sent again goes in the envelope that it first had. */
  async seal(context: SealContext, body: JsonValue): Promise<JsonValue> {
    const iv = randomBytes(IV_SIZE);
    const data = await this.#run('encrypt', 'json', context, iv, utf8(JSON.stringify(body)));
    return { e2e: VERSION, iv: toBase64url(iv), data: toBase64url(data) };
  }

  async open(context: SealContext, body: JsonValue): Promise<Opened<JsonValue>> {
    if (!isRecord(body) || !('e2e' in body)) return { kind: 'plaintext' };
    const { iv, data } = body;
    if (typeof iv !== 'string' || typeof data !== 'string') return { kind: 'plaintext' };
    return attempt(async () => {
      // Rejects for the null that stands for no base64url, as for all else that is wrong.
      const parts = [fromBase64url(iv), fromBase64url(data)] as [Bytes, Bytes];
      const bytes = await this.#run('decrypt', 'json', context, ...parts);
      return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as JsonValue;
    });
  }

  /** The envelope of bytes: the version, the iv, the data. */
  async sealBytes(context: SealContext, bytes: Uint8Array): Promise<Uint8Array> {
    const iv = randomBytes(IV_SIZE);
    const data = await this.#run('encrypt', 'bytes', context, iv, new Uint8Array(bytes));
    return Uint8Array.from([VERSION, ...iv, ...data]);
  }

  /** Plain bytes that begin like an envelope count as `wrong_key`. */
  async openBytes(context: SealContext, bytes: Uint8Array): Promise<Opened<Uint8Array>> {
    if (bytes[0] !== VERSION) return { kind: 'plaintext' };
    // A copy, because a slice of a Buffer shares its memory.
    const envelope = new Uint8Array(bytes);
    const parts = [envelope.slice(1, HEADER_SIZE), envelope.slice(HEADER_SIZE)] as const;
    return attempt(() => this.#run('decrypt', 'bytes', context, ...parts));
  }

  /** Rejects for whatever this key did not seal here. JSON keeps the parts of a context apart whatever they contain. */
  async #run(
    way: 'encrypt' | 'decrypt',
    form: Form,
    { sessionId, from, type, id }: SealContext,
    iv: Bytes,
    data: Bytes,
  ): Promise<Bytes> {
    const additionalData = utf8(JSON.stringify([form, sessionId, from, type, id]));
    return new Uint8Array(await crypto.subtle[way]({ name: 'AES-GCM', iv, additionalData }, this.#key, data));
  }
}

type Bytes = Uint8Array<ArrayBuffer>;

function assertCrypto(): void {
  if (canEncrypt()) return;
  throw new TandemError(
    'FORBIDDEN',
    'Encryption needs WebCrypto, which browsers give only to pages over https or from localhost.',
  );
}

function randomBytes(size: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(size));
}

async function attempt<T>(open: () => Promise<T>): Promise<Opened<T>> {
  try {
    return { kind: 'ok', body: await open() };
  } catch {
    // Whatever is wrong with an envelope, it was not made with this key for this place.
    return { kind: 'wrong_key' };
  }
}

function utf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}
