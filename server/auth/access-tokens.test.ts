import { createHmac, generateKeyPairSync, randomBytes, randomUUID, sign, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { AccessTokens } from './access-tokens.ts';
import { ForeignIssuer, FOREIGN_LIFE_MS } from './foreign-issuer.ts';
import { MemoryAccounts } from './memory-accounts.conformance.ts';
import { newRefreshToken } from './refresh-token.ts';

const START = 1_800_000_000_400;
const SECRET = 'a secret of this test, long enough to sign';
const OLD_SECRET = 'an older secret of this test, long enough';

let now = START;
let accounts: MemoryAccounts;

beforeEach(() => {
  now = START;
  accounts = new MemoryAccounts();
});

function tokensOf(secrets: readonly string[] = [SECRET], foreign: readonly ForeignIssuer[] = []): AccessTokens {
  const names = { issuer: 'tandem', audience: 'tandem' };
  return new AccessTokens({ ...names, secrets, foreign, accounts, ttlMs: 900_000, now: () => now });
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

type Signer = (input: string) => Buffer;
const hmac =
  (secret: string | Buffer, hash = 'sha256'): Signer =>
  (input) =>
    createHmac(hash, secret).update(input).digest();

function forge(claims: unknown, header: unknown = { alg: 'HS256', typ: 'JWT' }, signer: Signer = hmac(SECRET)): string {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${signer(input).toString('base64url')}`;
}

function claimsAt(ms = now): Record<string, unknown> {
  const iat = Math.floor(ms / 1000);
  const ids = { sub: 'user', sid: 'login', jti: randomUUID() };
  return { iss: 'tandem', aud: 'tandem', ...ids, iat, exp: iat + 900 };
}

describe('access tokens of our own', () => {
  it('carry the claims of the contract, and are verified to whom they were issued', async () => {
    const tokens = tokensOf();
    const { accessToken, expiresInSeconds } = await tokens.issue('user', 'login');
    expect(expiresInSeconds).toBe(900);
    expect(decodeProtectedHeader(accessToken)).toEqual({ alg: 'HS256', typ: 'JWT' });
    const claims = decodeJwt(accessToken);
    expect(Object.keys(claims).sort()).toEqual(['aud', 'exp', 'iat', 'iss', 'jti', 'sid', 'sub']);
    expect(await tokens.verify(accessToken)).toEqual({
      kind: 'own',
      userId: 'user',
      loginId: 'login',
      tokenId: claims.jti,
      // Finer than iat.
      issuedAt: START,
      expiresAt: Math.floor(START / 1000) * 1000 + 900_000,
    });
  });

  it('are known again without looking at their signature, until they expire', async () => {
    const tokens = tokensOf();
    const { accessToken } = await tokens.issue('user', 'login');
    const identity = await tokens.verify(accessToken);
    expect(await tokens.verify(accessToken)).toBe(identity);
    now = identity.expiresAt + 59_999;
    expect(await tokens.verify(accessToken)).toBe(identity);
    now += 1;
    await expect(tokens.verify(accessToken)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(tokensOf().verify(accessToken)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('may come from anyone who has the secret, with a leeway of a minute', async () => {
    for (const change of [
      {},
      { aud: ['tandem', 'other'] },
      { nbf: Math.floor(now / 1000) + 59 },
      { iat: Math.floor(now / 1000) + 59 },
      { exp: Math.floor(now / 1000) - 59, iat: Math.floor(now / 1000) - 900 },
    ]) {
      const identity = await tokensOf().verify(forge({ ...claimsAt(), ...change }, { alg: 'HS256' }));
      expect(identity).toMatchObject({ userId: 'user', loginId: 'login', kind: 'own' });
    }
  });

  it('are signed by the first of two secrets and verified by both', async () => {
    const before = await tokensOf([OLD_SECRET]).issue('user', 'login');
    const rotated = tokensOf([SECRET, OLD_SECRET]);
    expect((await rotated.verify(before.accessToken)).userId).toBe('user');
    const after = await rotated.issue('user', 'login');
    expect((await tokensOf([SECRET]).verify(after.accessToken)).userId).toBe('user');
    await expect(tokensOf([OLD_SECRET]).verify(after.accessToken)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('count no longer than revocations are kept, whatever they say', async () => {
    const claims = claimsAt();
    const identity = await tokensOf().verify(forge({ ...claims, exp: Number(claims['iat']) + 1e7 }));
    expect(identity.expiresAt - identity.issuedAt).toBe(3_600_000);
  });

  it('are refused in the same words whatever is wrong with them', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    const good = forge(claimsAt());
    const [head = '', body = '', signature = ''] = good.split('.');
    const seconds = Math.floor(now / 1000);
    const changed = (change: object) => forge({ ...claimsAt(), ...change });
    const without = (name: string) =>
      forge(Object.fromEntries(Object.entries(claimsAt()).filter(([key]) => key !== name)));
    const withHeader = (header: object, signer?: Signer) => forge(claimsAt(), { alg: 'HS256', ...header }, signer);
    /** The same bits in another spelling: two of the last character mean nothing. */
    const respelled = `${good.slice(0, -1)}${String.fromCharCode(good.charCodeAt(good.length - 1) + 1)}`;
    const forgeries: Record<string, string> = {
      empty: '',
      'no token': 'token',
      'two parts': `${head}.${body}`,
      'four parts': `${good}.${signature}`,
      'no signature': `${head}.${body}.`,
      respelled,
      padded: `${good}=`,
      'white space': ` ${good}`,
      'newline at the end': `${good}\n`,
      'refresh token': newRefreshToken(),
      'too long': changed({ pad: 'x'.repeat(20_000) }),
      'another signature': `${head}.${body}.${randomBytes(32).toString('base64url')}`,
      'another secret': forge(claimsAt(), undefined, hmac('some other secret that is long enough, too')),
      'empty secret': forge(claimsAt(), undefined, hmac('')),
      'another body': `${head}.${encode({ ...claimsAt(), sub: 'admin' })}.${signature}`,
      'alg none': withHeader({ alg: 'none' }, () => Buffer.from('x')),
      'alg none, empty signature': `${encode({ alg: 'none' })}.${body}.`,
      'alg None': withHeader({ alg: 'None' }),
      'no alg': forge(claimsAt(), { typ: 'JWT' }),
      HS384: withHeader({ alg: 'HS384' }, hmac(SECRET, 'sha384')),
      HS512: withHeader({ alg: 'HS512' }, hmac(SECRET, 'sha512')),
      RS256: withHeader({ alg: 'RS256' }, (input) => sign('sha256', Buffer.from(input), privateKey)),
      'public key as a secret': withHeader({ alg: 'HS256' }, hmac(pem)),
      'key in the header': withHeader({ alg: 'RS256', jwk: publicKey.export({ format: 'jwk' }) }, (input) =>
        sign('sha256', Buffer.from(input), privateKey),
      ),
      'kid as a path': withHeader({ kid: '../../../dev/null' }, hmac('')),
      'kid that is no text': withHeader({ kid: 7 }),
      crit: withHeader({ crit: ['exp'], exp: seconds }),
      'crit b64': withHeader({ crit: ['b64'], b64: true }),
      'another type': withHeader({ typ: 'logout+jwt' }),
      'type that is no text': withHeader({ typ: ['JWT'] }),
      'header a list': forge(claimsAt(), [{ alg: 'HS256' }]),
      'claims a list': forge([claimsAt()]),
      'claims null': forge(null),
      'claims no JSON': (() => {
        const input = `${head}.${Buffer.from('{"sub":').toString('base64url')}`;
        return `${input}.${hmac(SECRET)(input).toString('base64url')}`;
      })(),
      expired: changed({ iat: seconds - 900, exp: seconds - 61 }),
      'exp in the past by far': changed({ iat: 1, exp: 2 }),
      'exp as text': changed({ exp: String(seconds + 900) }),
      'exp before iat': changed({ exp: seconds - 1 }),
      'exp in milliseconds': changed({ exp: now + 900_000 }),
      'exp null': changed({ exp: null }),
      'not yet': changed({ nbf: seconds + 61 }),
      'nbf as text': changed({ nbf: 'now' }),
      'from the future': changed({ iat: seconds + 61 }),
      'another issuer': changed({ iss: 'other' }),
      'issuer a list': changed({ iss: ['tandem'] }),
      'another audience': changed({ aud: 'other' }),
      'audience with others': changed({ aud: ['tandem', 7] }),
      'sub a number': changed({ sub: 7 }),
      'sub an object': changed({ sub: { $gt: '' } }),
      'sub empty': changed({ sub: '' }),
      'sub with NUL': changed({ sub: 'user\u0000' }),
      'sub too long': changed({ sub: 'x'.repeat(257) }),
      'sid a number': changed({ sid: 7 }),
      'jti a list': changed({ jti: ['x'] }),
      ...Object.fromEntries(
        ['iss', 'aud', 'sub', 'sid', 'jti', 'iat', 'exp'].map((name) => [`no ${name}`, without(name)]),
      ),
    };
    expect((await tokensOf().verify(good)).userId).toBe('user');
    const answers: Record<string, unknown> = {};
    const expected: Record<string, unknown> = {};
    for (const [name, forgery] of Object.entries(forgeries)) {
      const outcome = await tokensOf()
        .verify(forgery)
        .then(
          (identity) => identity,
          (error: unknown) => error,
        );
      answers[name] =
        outcome instanceof Error && 'toWire' in outcome ? (outcome as { toWire(): unknown }).toWire() : outcome;
      expected[name] = { code: 'UNAUTHENTICATED', message: 'A valid token is required', retryable: false };
    }
    expect(answers).toEqual(expected);
  });
});

describe('access tokens of a foreign issuer', () => {
  const pairs = {
    RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    EdDSA: generateKeyPairSync('ed25519'),
  };
  let server: Server;
  let origin: string;
  let monotonic: number;
  let asked: string[];
  let answer: () => { status: number; body: string };

  beforeEach(async () => {
    monotonic = 1e6;
    asked = [];
    answer = () => ({ status: 200, body: keySet('RS256', 'ES256', 'EdDSA') });
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      const { status, body } = answer();
      response.writeHead(status, { 'content-type': 'application/json', location: '/elsewhere' }).end(body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // It listens on a port.
  });

  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  type Algorithm = keyof typeof pairs;

  function keySet(...algorithms: Algorithm[]): string {
    return JSON.stringify({
      keys: algorithms.map((alg) => ({ ...pairs[alg].publicKey.export({ format: 'jwk' }), kid: alg })),
    });
  }

  function foreignToken(
    alg: Algorithm,
    change: object = {},
    { kid = alg, key = pairs[alg].privateKey }: { kid?: string | undefined; key?: KeyObject } = {},
  ): string {
    const iat = Math.floor(now / 1000);
    const claims = { iss: 'https://issuer.example', aud: 'app', sub: 'them|7', iat, exp: iat + 3600, ...change };
    const signer: Signer = (input) =>
      sign(alg === 'EdDSA' ? null : 'sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' });
    return forge(claims, { alg, kid, typ: 'at+jwt' }, signer);
  }

  function foreignTokens(): AccessTokens {
    const options = { issuer: 'https://issuer.example', audience: 'app', jwksUrl: `${origin}/jwks` };
    const issuer = new ForeignIssuer({ ...options, now: () => now, monotonic: () => monotonic });
    return tokensOf([SECRET], [issuer]);
  }

  const refused = (tokens: AccessTokens, token: string) =>
    expect(tokens.verify(token)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: 'A valid token is required',
    });
  const undecided = (tokens: AccessTokens, token: string) =>
    expect(tokens.verify(token)).rejects.toMatchObject({ code: 'UNAVAILABLE' });

  it('are accepted under their public keys, which are asked for once', async () => {
    const tokens = foreignTokens();
    const ids = { sid: 'their login', jti: 'their token' };
    const all = (['RS256', 'ES256', 'EdDSA'] as const).map((alg) => tokens.verify(foreignToken(alg, ids)));
    for (const identity of await Promise.all(all)) {
      expect(identity).toEqual({
        ...{ kind: 'foreign', userId: 'them|7', loginId: 'foreign:their login', tokenId: 'foreign:their token' },
        ...{ issuedAt: START - 400, expiresAt: START - 400 + 3_600_000 },
      });
    }
    expect(asked).toEqual(['/jwks']);
  });

  it('have a name each, also without one of their own', async () => {
    const tokens = foreignTokens();
    const one = await tokens.verify(foreignToken('RS256'));
    const other = await tokens.verify(foreignToken('RS256', { scope: 'other' }));
    expect(one.loginId).toBeNull();
    expect(one.tokenId).toMatch(/^foreign:.{43}$/);
    expect(other.tokenId).not.toBe(one.tokenId);
  });

  it("are refused when they are anybody else's, or for anybody else", async () => {
    const tokens = foreignTokens();
    const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const publicPem = pairs.RS256.publicKey.export({ type: 'spki', format: 'pem' });
    const publicJwk = JSON.stringify(pairs.RS256.publicKey.export({ format: 'jwk' }));
    const claims = decodeJwt(foreignToken('RS256'));
    for (const token of [
      foreignToken('RS256', {}, { key: stranger.privateKey }),
      foreignToken('RS256', {}, { kid: undefined, key: stranger.privateKey }),
      foreignToken('RS256', {}, { kid: 'ES256' }),
      foreignToken('RS256', { iss: 'https://other.example' }),
      foreignToken('RS256', { aud: 'other' }),
      foreignToken('RS256', { iss: 'tandem', aud: 'tandem', sid: 'login', jti: 'token' }),
      foreignToken('RS256', { iat: undefined }),
      foreignToken('RS256', { exp: undefined }),
      foreignToken('RS256', { sub: { toString: 'x' } }),
      foreignToken('RS256', { sid: 7 }),
      foreignToken('RS256', { jti: '' }),
      forge(claims, { alg: 'HS256', kid: 'RS256' }, hmac(publicPem)),
      forge(claims, { alg: 'HS256', kid: 'RS256' }, hmac(publicJwk)),
      forge(claims, { alg: 'HS256' }),
      forge({ ...claims, sid: 'login', jti: 'token' }, { alg: 'HS256' }),
    ]) {
      await refused(tokens, token);
    }
    // Nobody was asked for what was wrong without.
    expect(asked).toEqual(['/jwks', '/jwks']);
  });

  it('count for 30 days at most: so long a revocation of their user is kept', async () => {
    const tokens = foreignTokens();
    const seconds = Math.floor(now / 1000);
    const year = foreignToken('ES256', { exp: seconds + 365 * 86_400 });
    const { issuedAt, expiresAt } = await tokens.verify(year);
    expect(expiresAt - issuedAt).toBe(FOREIGN_LIFE_MS);
    now += FOREIGN_LIFE_MS + 61_000;
    await refused(tokens, year);
  });

  it('are looked for again under a key that is new, but strangers cannot make us ask for ever', async () => {
    const tokens = foreignTokens();
    answer = () => ({ status: 200, body: keySet('RS256') });
    await tokens.verify(foreignToken('RS256'));
    answer = () => ({ status: 200, body: keySet('RS256', 'ES256') });
    await tokens.verify(foreignToken('ES256'));
    expect(asked).toHaveLength(2);
    for (let count = 0; count < 50; count += 1)
      await refused(tokens, foreignToken('RS256', {}, { kid: `made up ${count}` }));
    expect(asked).toHaveLength(3);
    monotonic += 5000;
    await refused(tokens, foreignToken('RS256', {}, { kid: 'made up' }));
    expect(asked).toHaveLength(4);
  });

  it('are neither accepted nor refused while their issuer does not say what its keys are', async () => {
    const tokens = foreignTokens();
    for (const broken of [
      { status: 503, body: '' },
      { status: 302, body: '' },
      { status: 200, body: 'no JSON' },
    ]) {
      answer = () => broken;
      await undecided(tokens, foreignToken('RS256'));
      monotonic += 5000;
    }
    answer = () => ({ status: 200, body: `{"keys":[],"pad":"${'x'.repeat(300_000)}"}` });
    await undecided(tokens, foreignToken('RS256'));
    expect(asked).not.toContain('/elsewhere');
    monotonic += 5000;
    // Whatever the issuer would say.
    await refused(tokens, foreignToken('RS256', { aud: 'other' }));
    answer = () => ({ status: 200, body: keySet('RS256') });
    await tokens.verify(foreignToken('RS256'));
  });

  it('are decided by the known keys while their issuer is away, for an hour', async () => {
    const tokens = foreignTokens();
    await tokens.verify(foreignToken('RS256'));
    answer = () => ({ status: 500, body: '' });
    monotonic += 11 * 60_000;
    await tokens.verify(foreignToken('RS256', { jti: 'another' }));
    // Also when its issuer was asked often enough.
    for (let count = 0; count < 5; count += 1) await undecided(tokens, foreignToken('RS256', {}, { kid: 'new' }));
    expect(asked.length).toBeLessThan(6);
    monotonic += 61 * 60_000;
    await undecided(tokens, foreignToken('RS256', { jti: 'a third' }));
  });

  it('never speak for an account of ours', async () => {
    const tokens = foreignTokens();
    const id = uuidv7();
    expect((await tokens.verify(foreignToken('RS256', { sub: id }))).userId).toBe(id);
    accounts.users.set(id, { user: { id, email: 'a@example.org', name: null, createdAt: 0 }, passwordHash: '' });
    await refused(tokens, foreignToken('RS256', { sub: id, jti: 'another' }));
    accounts.isAway = true;
    await undecided(tokens, foreignToken('RS256', { sub: id, jti: 'a third' }));
    await tokens.verify(foreignToken('RS256', { sub: randomUUID() }));
  });

  it('may be those of a Supabase project, of its users alone', async () => {
    const tokens = tokensOf([SECRET], [ForeignIssuer.ofSupabase(`${origin}/project`, () => now)]);
    const [sub, session] = [randomUUID(), randomUUID()];
    const claims = {
      ...{ iss: `${origin}/project/auth/v1`, aud: 'authenticated', role: 'authenticated', sub, session_id: session },
      ...{ aal: 'aal1', email: 'a@example.org', is_anonymous: false },
    };
    const identity = await tokens.verify(foreignToken('ES256', claims));
    expect(identity).toMatchObject({ kind: 'foreign', userId: sub, loginId: `foreign:${session}` });
    expect(asked).toEqual(['/project/auth/v1/.well-known/jwks.json']);
    for (const change of [{ aud: 'anon' }, { role: 'service_role' }, { role: undefined }, { iss: 'supabase' }]) {
      await refused(tokens, foreignToken('ES256', { ...claims, ...change }));
    }
  });
});
