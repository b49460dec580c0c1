import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { JsonObject, JsonValue } from '../protocol/session.ts';
import { fromBase64url, toBase64url } from './base64url.ts';
import { canEncrypt, Cipher, isMarkedEncrypted, type SealContext } from './encryption.ts';

const SECRET = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8';
const context: SealContext = { sessionId: 's1', from: 'p1', type: 'text', id: 'message-1' };
const elsewhere: SealContext[] = [
  { ...context, sessionId: 's2' },
  { ...context, from: 'p2' },
  { ...context, type: 'note' },
  { ...context, id: 'message-2' },
  // The same characters, divided in another way.
  { ...context, sessionId: 's1p', from: '1' },
  { ...context, sessionId: 's1","p1', from: '' },
];

const webCrypto = Object.getOwnPropertyDescriptor(globalThis, 'crypto') ?? {};

function replaceCrypto(value: unknown): void {
  Object.defineProperty(globalThis, 'crypto', { configurable: true, value });
}

afterEach(() => {
  Object.defineProperty(globalThis, 'crypto', webCrypto);
});

async function sealed(cipher: Cipher, body: JsonValue): Promise<Record<'e2e' | 'iv' | 'data', string>> {
  return (await cipher.seal(context, body)) as Record<'e2e' | 'iv' | 'data', string>;
}

/** The text with its character at `index` turned into another of the same alphabet. */
function altered(text: string, index: number): string {
  return text.slice(0, index) + (text[index] === 'A' ? 'B' : 'A') + text.slice(index + 1);
}

describe('a body', () => {
  it.each([null, true, false, 0, -1.5, 1e300, '', 'text', '\u{1f600}\u0000"\\', '\ud800', [], {}, [[1], { a: null }]])(
    'comes back as it was: %j',
    async (body) => {
      const cipher = await Cipher.create();
      const other = await Cipher.from(cipher.secret);
      expect(await other.open(context, await cipher.seal(context, body))).toEqual({ kind: 'ok', body });
    },
  );

  it('of any JSON comes back through the wire', async () => {
    const cipher = await Cipher.create();
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        // What JSON cannot say (-0) is lost before it is sealed.
        const body = JSON.parse(JSON.stringify(value)) as JsonValue;
        const envelope = JSON.parse(JSON.stringify(await cipher.seal(context, body))) as JsonValue;
        expect(await cipher.open(context, envelope)).toEqual({ kind: 'ok', body });
      }),
    );
  });

  it('is nowhere in its envelope', async () => {
    const cipher = await Cipher.create();
    const envelope = JSON.stringify(await cipher.seal(context, { text: 'the quick brown fox' }));
    for (const clear of ['the quick brown fox', btoa('the quick brown fox').slice(0, 16), 'text', cipher.secret]) {
      expect(envelope).not.toContain(clear);
    }
  });

  it('never has the same envelope twice', async () => {
    const cipher = await Cipher.create();
    const [one, other] = [await sealed(cipher, 'same'), await sealed(cipher, 'same')];
    expect(one.iv).not.toBe(other.iv);
    expect(one.data).not.toBe(other.data);
    expect(one).toMatchObject({ e2e: 1, iv: expect.stringMatching(/^[\w-]{16}$/) });
  });

  it('that was altered anywhere is not read', async () => {
    const cipher = await Cipher.create();
    const envelope = await sealed(cipher, 'pay 10');
    for (const part of ['iv', 'data'] as const) {
      for (let index = 0; index < envelope[part].length; index++) {
        const forged = { ...envelope, [part]: altered(envelope[part], index) };
        expect(await cipher.open(context, forged)).toEqual({ kind: 'wrong_key' });
      }
    }
  });

  it('is read at its own place alone', async () => {
    const cipher = await Cipher.create();
    const envelope = await sealed(cipher, 'pay 10');
    for (const other of elsewhere) expect(await cipher.open(other, envelope)).toEqual({ kind: 'wrong_key' });
    expect(await cipher.open(context, envelope)).toEqual({ kind: 'ok', body: 'pay 10' });
  });

  it('is not read with another key', async () => {
    const envelope = await sealed(await Cipher.create(), 'secret');
    expect(await (await Cipher.create()).open(context, envelope)).toEqual({ kind: 'wrong_key' });
  });

  it.each([null, true, 0, '', 'text', [], ['e2e'], {}, { iv: 'a', data: 'b' }, { text: 'hi' }, { e2e: 1 }])(
    'that is no envelope is plaintext: %j',
    async (body) => {
      expect(await (await Cipher.from(SECRET)).open(context, body)).toEqual({ kind: 'plaintext' });
    },
  );

  it('in a malformed envelope is not read', async () => {
    const cipher = await Cipher.from(SECRET);
    const { iv, data } = await sealed(cipher, 'text');
    const malformed: JsonObject[] = [
      { iv: '', data },
      { iv, data: '' },
      { iv: '', data: '' },
      { iv: '!', data },
      { iv, data: '!' },
      { iv: `${iv}=`, data },
      { iv, data: `${data}=` },
      { iv: ` ${iv}`, data },
      { iv, data: `${data}\n` },
      { iv: `${iv}AAAA`, data },
      { iv: iv.slice(4), data },
      { iv, data: data.slice(4) },
      { iv, data: data.slice(0, 8) },
      { iv, data: `${data}AAAA` },
      { iv: data, data: iv },
      { iv: '\u{1f600}', data },
      { iv, data: '\ud800' },
      { iv: 'A'.repeat(40_000), data },
      { iv, data: 'A'.repeat(40_000) },
      { iv: `${iv.slice(0, -1)}+`, data },
      { iv: 'undefined', data: 'null' },
    ];
    for (const parts of malformed) {
      expect(await cipher.open(context, { e2e: 1, ...parts })).toEqual({ kind: 'wrong_key' });
    }
    for (const parts of [{ iv: null, data }, { iv, data: 7 }, { iv: [iv], data }, { iv, data: { data } }, { iv }]) {
      expect(await cipher.open(context, { e2e: 1, ...parts })).toEqual({ kind: 'plaintext' });
    }
  });

  it('that its sender sealed as no JSON is not read', async () => {
    const cipher = await Cipher.create();
    // What JSON.stringify makes of it is no text.
    const envelope = await cipher.seal(context, undefined as unknown as JsonValue);
    expect(await cipher.open(context, envelope)).toEqual({ kind: 'wrong_key' });
  });
});

describe('bytes', () => {
  it('come back as they were', async () => {
    const cipher = await Cipher.create();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const envelope = await cipher.sealBytes(context, bytes);
        expect(envelope).toHaveLength(bytes.length + 29);
        expect(await cipher.openBytes(context, envelope)).toEqual({ kind: 'ok', body: bytes });
      }),
    );
  });

  it('are read from the middle of a larger buffer', async () => {
    const cipher = await Cipher.create();
    const envelope = await cipher.sealBytes(context, Uint8Array.of(0, 1, 2, 3).subarray(1, 3));
    const larger = new Uint8Array(200);
    larger.set(envelope, 50);
    const opened = await cipher.openBytes(context, larger.subarray(50, 50 + envelope.length));
    expect(opened).toEqual({ kind: 'ok', body: Uint8Array.of(1, 2) });
  });

  it('that were altered anywhere, or are for another place, are not read', async () => {
    const cipher = await Cipher.create();
    const envelope = await cipher.sealBytes(context, Uint8Array.of(1, 2, 3));
    for (let index = 1; index < envelope.length; index++) {
      const forged = envelope.slice();
      forged[index] = (forged[index] ?? 0) ^ 1;
      expect(await cipher.openBytes(context, forged)).toEqual({ kind: 'wrong_key' });
    }
    for (const other of elsewhere) expect(await cipher.openBytes(other, envelope)).toEqual({ kind: 'wrong_key' });
    expect(await cipher.openBytes(context, envelope.slice(0, -1))).toEqual({ kind: 'wrong_key' });
  });

  it.each([[[]], [[0]], [[2, ...new Array<number>(40).fill(0)]]])(
    'that are no envelope are plaintext: %j',
    async (bytes) => {
      expect(await (await Cipher.from(SECRET)).openBytes(context, Uint8Array.from(bytes))).toEqual({
        kind: 'plaintext',
      });
    },
  );

  it('that begin like an envelope and are none are not read', async () => {
    for (const size of [0, 11, 12, 27, 28, 40]) {
      const opened = await (await Cipher.from(SECRET)).openBytes(context, Uint8Array.of(1, ...new Uint8Array(size)));
      expect(opened).toEqual({ kind: 'wrong_key' });
    }
  });

  it('may be many', async () => {
    const cipher = await Cipher.from(SECRET);
    const bytes = new Uint8Array(1_000_000).fill(7);
    expect(await cipher.openBytes(context, await cipher.sealBytes(context, bytes))).toEqual({
      kind: 'ok',
      body: bytes,
    });
  });

  it('never pass for JSON, nor JSON for bytes', async () => {
    const cipher = await Cipher.create();
    const binary = await cipher.sealBytes(context, new TextEncoder().encode('"text"'));
    const asJson = { e2e: 1, iv: toBase64url(binary.slice(1, 13)), data: toBase64url(binary.slice(13)) };
    expect(await cipher.open(context, asJson)).toEqual({ kind: 'wrong_key' });
    const { iv, data } = await sealed(cipher, 'text');
    const asBytes = Uint8Array.of(1, ...(fromBase64url(iv) ?? []), ...(fromBase64url(data) ?? []));
    expect(asBytes).toHaveLength(1 + 12 + 6 + 16);
    expect(await cipher.openBytes(context, asBytes)).toEqual({ kind: 'wrong_key' });
  });
});

describe('a key', () => {
  it('is 43 characters for a link, another each time', async () => {
    const [one, other] = [await Cipher.create(), await Cipher.create()];
    expect(one.secret).toMatch(/^[\w-]{43}$/);
    expect(one.secret).not.toBe(other.secret);
    expect((await Cipher.from(one.secret)).secret).toBe(one.secret);
  });

  it('derives what it always did: envelopes outlive the library that made them', async () => {
    // Made with node:crypto: hkdfSync and aes-256-gcm.
    const cipher = await Cipher.from(SECRET);
    expect(cipher.mark).toEqual({ v: 1, check: 'Sc2vIFEgz-ZKNvCnG3lUAQ' });
    const envelope = { e2e: 1, iv: 'AAECAwQFBgcICQoL', data: 'L1HlwEFIrIhMleSo4Q9RhhJUsGL0CXI' };
    expect(await cipher.open(context, envelope)).toEqual({ kind: 'ok', body: 'hello' });
  });

  it.each([
    '',
    'short',
    SECRET.slice(1),
    `${SECRET}A`,
    `${SECRET}=`,
    `${SECRET.slice(0, -1)}9`,
    `${SECRET.slice(1)}!`,
    ` ${SECRET}`,
  ])('is refused when it is none: %j', async (secret) => {
    await expect(Cipher.from(secret)).rejects.toMatchObject({ name: 'TandemError', code: 'INVALID_PAYLOAD' });
  });

  it('is in no error', async () => {
    const secret = `${SECRET}${SECRET}`;
    const error: unknown = await Cipher.from(secret).catch((reason: unknown) => reason);
    expect(String(error)).not.toContain(SECRET);
  });
});

describe('the mark of an encrypted session', () => {
  it('tells the right key from a wrong one', async () => {
    const cipher = await Cipher.create();
    const metadata = JSON.parse(JSON.stringify({ colour: 'red', e2e: cipher.mark })) as JsonObject;
    expect(isMarkedEncrypted(metadata)).toBe(true);
    expect((await Cipher.from(cipher.secret)).fits(metadata)).toBe(true);
    expect((await Cipher.create()).fits(metadata)).toBe(false);
    expect(cipher.mark).toEqual({ v: 1, check: expect.stringMatching(/^[\w-]{22}$/) });
    expect(JSON.stringify(cipher.mark)).not.toContain(cipher.secret.slice(0, 8));
  });

  it.each<JsonValue>([null, true, 1, '', [], {}, { v: 1 }, { v: 1, check: null }, { check: ['x'] }])(
    'that says %j marks, and fits no key',
    async (e2e) => {
      expect(isMarkedEncrypted({ e2e })).toBe(true);
      expect((await Cipher.from(SECRET)).fits({ e2e })).toBe(false);
    },
  );

  it('is missing in other sessions', async () => {
    expect(isMarkedEncrypted({})).toBe(false);
    expect(isMarkedEncrypted({ colour: 'red' })).toBe(false);
    expect((await Cipher.from(SECRET)).fits({})).toBe(false);
  });
});

describe('without WebCrypto', () => {
  it.each([undefined, {}, { getRandomValues: () => undefined }])('nothing is encrypted: %j', async (crypto) => {
    expect(canEncrypt()).toBe(true);
    replaceCrypto(crypto);
    expect(canEncrypt()).toBe(false);
    const refusal = {
      name: 'TandemError',
      code: 'FORBIDDEN',
      message: expect.stringMatching(/https.*localhost/),
    };
    await expect(Cipher.create()).rejects.toMatchObject(refusal);
    await expect(Cipher.from(SECRET)).rejects.toMatchObject(refusal);
    await expect(Cipher.from('no key')).rejects.toMatchObject(refusal);
  });
});
