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
    const cipher = await this.#cipher;
    return cipher === null
      ? { kind: 'ok', body }
      : await cipher.open({ sessionId: this.#sessionId, from, type, id }, body);
  }

  async sealSignal(from: string, type: string, body: JsonValue | Uint8Array): Promise<JsonValue | Uint8Array> {
    const cipher = await this.#cipher;
    if (cipher === null) return body;
    const context = { sessionId: this.#sessionId, from, type, id: SIGNAL_ID };
    return await (body instanceof Uint8Array ? cipher.sealBytes(context, body) : cipher.seal(context, body));
  }

  async openSignal(from: string, type: string, body: JsonValue | Uint8Array): Promise<Opened<JsonValue | Uint8Array>> {
    const cipher = await this.#cipher;
    if (cipher === null) return { kind: 'ok', body };
    const context = { sessionId: this.#sessionId, from, type, id: SIGNAL_ID };
    return await (body instanceof Uint8Array ? cipher.openBytes(context, body) : cipher.open(context, body));
  }
}
