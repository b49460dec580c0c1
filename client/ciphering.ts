import type { JsonValue, Message } from '../protocol/session.ts';
import { Cipher } from './encryption.ts';
import type { Opened } from './encryption.ts';

/** Signals have no id of their own. */
const SIGNAL_ID = 'signal';

/** What is said in one session, in the clear or encrypted: the same calls for both. */
export class Ciphering {
  /** The key, null when nothing is encrypted. */
  readonly secret: string | null;
  readonly #cipher: Promise<Cipher> | null;
  readonly #sessionId: string;

  /** The key becomes a cipher in the background, because a seat must be there at once after a reload. */
  constructor(secret: string | null, sessionId: string) {
    this.secret = secret;
    this.#sessionId = sessionId;
    this.#cipher = secret === null ? null : Cipher.from(secret);
    // Whoever needs it is told.
    this.#cipher?.catch(() => undefined);
  }

  async sealMessage(message: Pick<Message, 'from' | 'type' | 'id' | 'body'>): Promise<JsonValue> {
    const { from, type, id, body } = message;
    const cipher = await this.#cipher;
    return cipher === null ? body : await cipher.seal({ sessionId: this.#sessionId, from, type, id }, body);
  }

  async openMessage({ from, type, id, body }: Message): Promise<Opened<JsonValue>> {
    const context = { sessionId: this.#sessionId, from, type, id };
    return await this.#open(body, (cipher) => cipher.open(context, body));
  }

  async sealSignal(from: string, type: string, body: JsonValue | Uint8Array): Promise<JsonValue | Uint8Array> {
    const cipher = await this.#cipher;
    if (cipher === null) return body;
    const context = { sessionId: this.#sessionId, from, type, id: SIGNAL_ID };
    return await (body instanceof Uint8Array ? cipher.sealBytes(context, body) : cipher.seal(context, body));
  }

  async openSignal(from: string, type: string, body: JsonValue | Uint8Array): Promise<Opened<JsonValue | Uint8Array>> {
    const context = { sessionId: this.#sessionId, from, type, id: SIGNAL_ID };
    return await this.#open<JsonValue | Uint8Array>(body, (cipher) =>
      body instanceof Uint8Array ? cipher.openBytes(context, body) : cipher.open(context, body),
    );
  }

  async #open<T>(body: T, read: (cipher: Cipher) => Promise<Opened<T>>): Promise<Opened<T>> {
    if (this.#cipher === null) return { kind: 'ok', body };
    try {
      return await read(await this.#cipher);
    } catch {
      // A key that was damaged in storage, or WebCrypto is gone: what cannot be read is told, and holds nothing up.
      return { kind: 'wrong_key' };
    }
  }
}
