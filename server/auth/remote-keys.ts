import { createLocalJWKSet, errors, type CryptoKey, type JSONWebKeySet, type LocalJWKSet } from 'jose';
import { TandemError } from '../../protocol/errors.ts';

const FETCH_MS = 2000;
const MOST_BYTES = 256 * 1024;
/** A key that the issuer took back is refused after this long. */
const FRESH_MS = 10 * 60_000;
/** Known keys serve on so long while the issuer cannot be asked. */
const STALE_MS = 60 * 60_000;
/** Strangers make up key ids: so many questions at once, and then one in each interval. */
const BURST = 3;
const INTERVAL_MS = 5000;
/** Keys that a token without a key id is tried with. */
const MOST_CANDIDATES = 8;

export interface RemoteKeysOptions {
  readonly url: string;
  /** Milliseconds that only grow. */
  readonly monotonic: () => number;
}

/** Public keys of an issuer, from its JWKS. Never a secret: a key set that holds one gives none of our tokens. */
export class RemoteKeys {
  readonly #options: RemoteKeysOptions;
  #keys: LocalJWKSet | null = null;
  #loadedAt = 0;
  #loading: Promise<void> | null = null;
  #lastFailure: unknown = null;
  #budget = BURST;
  #budgetAt: number;

  constructor(options: RemoteKeysOptions) {
    this.#options = options;
    this.#budgetAt = options.monotonic();
  }

  /**
   * The keys that may have signed a token; none when its issuer has no such key. Rejects with `UNAVAILABLE` when that
   * cannot be told, because the issuer does not answer.
   */
  async candidates(header: { readonly alg: string; readonly kid: string | undefined }): Promise<CryptoKey[]> {
    const age = this.#options.monotonic() - this.#loadedAt;
    if (this.#keys === null || age > STALE_MS) await this.#load();
    // In the background: the known keys serve meanwhile.
    else if (age > FRESH_MS) void this.#load().catch(() => undefined);
    const known = await this.#find(header);
    if (known.length > 0) return known;
    // A key that was added since. Out of budget, the answer of a moment ago stands.
    if (this.#loading !== null || this.#mayLoad()) await this.#load();
    else if (this.#lastFailure !== null) throw unavailable(this.#lastFailure);
    return this.#find(header);
  }

  async #find({ alg, kid }: { alg: string; kid: string | undefined }): Promise<CryptoKey[]> {
    try {
      const key = await this.#keys?.({ alg, ...(kid === undefined ? {} : { kid }) }, { payload: '', signature: '' });
      return key === undefined ? [] : [key];
    } catch (error) {
      // A key that cannot be used is none.
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return [];
      const found: CryptoKey[] = [];
      for await (const key of error) {
        found.push(key);
        if (found.length === MOST_CANDIDATES) break;
      }
      return found;
    }
  }

  /** One question at a time, whoever waits for it. */
  #load(): Promise<void> {
    if (this.#loading !== null) return this.#loading;
    if (!this.#mayLoad()) return Promise.reject(unavailable(this.#lastFailure));
    this.#budget -= 1;
    this.#loading = this.#ask().finally(() => (this.#loading = null));
    return this.#loading;
  }

  #mayLoad(): boolean {
    const now = this.#options.monotonic();
    this.#budget = Math.min(BURST, this.#budget + (now - this.#budgetAt) / INTERVAL_MS);
    this.#budgetAt = now;
    return this.#budget >= 1;
  }

  async #ask(): Promise<void> {
    try {
      const response = await fetch(this.#options.url, {
        signal: AbortSignal.timeout(FETCH_MS),
        // The configured address is the one that is trusted.
        redirect: 'error',
        headers: { accept: 'application/json' },
      });
      if (!response.ok) {
        await response.body?.cancel();
        throw new Error(`The key set of the issuer answered ${response.status}`);
      }
      this.#keys = createLocalJWKSet(JSON.parse(await textOf(response)) as JSONWebKeySet); // It checks the shape.
      this.#loadedAt = this.#options.monotonic();
      this.#lastFailure = null;
    } catch (error) {
      this.#lastFailure = error;
      throw unavailable(error);
    }
  }
}

async function textOf(response: Response): Promise<string> {
  if (response.body === null) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // A body is bytes, which its type leaves open.
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > MOST_BYTES) throw new Error(`The key set of the issuer is larger than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function unavailable(cause: unknown): TandemError {
  return new TandemError('UNAVAILABLE', 'The keys of the issuer of this token cannot be read now: try again.', {
    cause,
    retryAfterMs: INTERVAL_MS,
  });
}
