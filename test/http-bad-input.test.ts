import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Api, PASSWORD, sha256Of, type SignedInUser } from './support/api.ts';
import { operationsOf, type Operation } from './support/open-api.ts';
import { startServer, type RunningServer } from './support/server.ts';

const KEY = 'a-key-of-the-shop-system';
const ADMIN = 'an-admin-token-of-this-test';
const SECRET = 'a secret of this test that is long enough';

let server: RunningServer;
let api: Api;
let operations: readonly Operation[];
let user: SignedInUser;
let instanceId: unknown;

beforeAll(async () => {
  // Every warning but that somebody was refused is a fault: so are those of the database.
  server = await startServer(
    {
      ...{ LOG_LEVEL: 'warn', JWT_SECRET: SECRET, DEBUG_API: 'true', ADMIN_TOKEN: ADMIN },
      API_KEYS: `shop:${sha256Of(KEY)}`,
    },
    // The second: of a machine that is busy.
    { errors: ['auth_failed', 'security_event'] },
  );
  api = new Api(server.url);
  operations = operationsOf(await api.ok('GET', '/api/v1/openapi.json'));
  user = await api.register(`${randomUUID()}@example.com`);
  ({ instanceId } = await api.ok('GET', '/health/live'));
}, 60_000);

afterAll(async () => {
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(await api.ok('GET', '/health/live')).toMatchObject({ status: 'alive', instanceId });
  await server.stop();
}, 60_000);

interface Refusal {
  readonly status: number;
  readonly headers: Headers;
  readonly problem: Record<string, unknown>;
}

/** Sends it as it is, and gives the answer, which must be a problem document of ours. */
async function refused(method: string, path: string, init: RequestInit = {}): Promise<Refusal> {
  const response = await fetch(server.url + path, { method, ...init });
  return problemIn(response.status, response.headers, await response.text());
}

function problemIn(status: number, headers: Headers, body: string): Refusal {
  if (status < 400 || headers.get('Content-Type') !== 'application/problem+json; charset=utf-8') {
    throw new Error(`expected a problem document, received ${status} ${body.slice(0, 200)}`);
  }
  const problem = JSON.parse(body) as Record<string, unknown>; // A problem document is an object.
  expect(problem).toMatchObject({
    ...{ type: expect.any(String), title: expect.any(String), detail: expect.any(String), code: expect.any(String) },
    ...{ status, requestId: headers.get('X-Request-Id') },
  });
  // No stack, no page, and not a word of the libraries.
  expect(body).not.toMatch(/<[a-z!]|\bat .*\.[jt]s:\d|node_modules|zod|postgres|express/i);
  return { status, headers, problem };
}

/** A request of which each byte is given. */
async function wire(bytes: string): Promise<Refusal> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.write(bytes);
  const answer = await text(socket);
  const [head = '', ...body] = answer.split('\r\n\r\n');
  const [, ...lines] = head.split('\r\n');
  const headers = new Headers(
    lines.map((line): [string, string] => [line.split(':')[0] ?? '', line.replace(/^.*?: /, '')]),
  );
  return problemIn(Number(head.split(' ')[1]), headers, body.join('\r\n\r\n'));
}

function credentials({ schemes }: Operation): Record<string, string> {
  if (schemes.includes('apiKey')) return { 'X-API-Key': KEY };
  if (schemes.includes('adminToken')) return { Authorization: `Bearer ${ADMIN}` };
  return schemes.includes('accessToken') ? { Authorization: `Bearer ${user.accessToken}` } : {};
}

/** With ids that nothing has. */
function pathOf({ path }: Operation): string {
  return path.replaceAll(/\{(\w+)\}/g, (_match, name) =>
    name === 'code' ? 'BCDFGH' : name === 'scope' ? 'ip' : name === 'key' ? '192.0.2.1' : randomUUID(),
  );
}

/** What is signed is judged by its signature before anything else. */
const isSigned = ({ schemes }: Operation) => schemes.includes('webhook');
const taking = () => operations.filter((operation) => operation.body !== null && !isSigned(operation));

const JSON_TYPE = { 'Content-Type': 'application/json' };
const nested = (depth: number) => `{"email":${'['.repeat(depth)}${']'.repeat(depth)}}`;
const plain = '{"email":"ann@example.com"}';

/** With the status of the answer, whatever route it is sent to. */
const BODIES: readonly (readonly [string, string | Buffer, number, Record<string, string>?])[] = [
  ['truncated', '{"email":', 400],
  ['null', 'null', 400],
  ['a string', '"text"', 400],
  ['a number', '7', 400],
  ['an array', '[]', 400],
  ['an array of objects', '[{}]', 400],
  ['two values', '{} {}', 400],
  ['no UTF-8', Buffer.from('{"email":"\xff\xfe"}', 'latin1'), 400],
  ['an overlong NUL', Buffer.from('{"email":"\xc0\x80"}', 'latin1'), 400],
  ['a lone surrogate', '{"email":"\\ud800"}', 400],
  ['a lone surrogate in a key', '{"\\udc00":1}', 400],
  ['NUL', '{"email":"a\\u0000b"}', 400],
  ['NUL in a key', '{"\\u0000":1}', 400],
  ['60 kB of [', '['.repeat(60_000), 400],
  ['60 kB of {', '{"a":'.repeat(12_000), 400],
  ['33 levels', nested(33), 400],
  ['10,000 levels', nested(10_000), 400],
  ['__proto__', '{"__proto__":{"polluted":true}}', 400],
  ['__proto__ within', '{"metadata":{"__proto__":{"polluted":true}}}', 400],
  ['constructor.prototype', '{"constructor":{"prototype":{"polluted":true}}}', 400],
  ['constructor.prototype within', '{"body":{"constructor":{"prototype":{"polluted":true}}}}', 400],
  ['an unknown key', '{"isAdmin":true}', 400],
  ['an operator', '{"email":{"$gt":""}}', 400],
  ['operators', '{"email":{"$gt":""},"password":{"$ne":null},"refreshToken":{"$exists":true}}', 400],
  ['70 kB', `{"email":"${'x'.repeat(70_000)}"}`, 413],
  ['10 MB of a password', `{"email":"a@example.com","password":"${'x'.repeat(10_000_000)}"}`, 413],
  ['no type', plain, 415, {}],
  ...[
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
    'application/merge-patch+json',
    'application/json; charset=latin1',
    'application/json; charset=utf-16',
    'application/json; charset=utf-8; boundary=x',
    'application/json, text/plain',
  ].map((type) => [type, plain, 415, { 'Content-Type': type }] as const),
  ...(
    [
      ['gzip', gzipSync(plain)],
      ['br', brotliCompressSync(plain)],
      ['deflate', deflateSync(plain)],
      ...['gzip', 'identity', 'zstd', 'none', 'gzip, gzip'].map((coding) => [coding, plain] as const),
    ] as const
  ).map(([coding, body]) => [`${coding} coding`, body, 415, { ...JSON_TYPE, 'Content-Encoding': coding }] as const),
];

describe('a body', () => {
  it.each(BODIES)(
    'of %s is refused by every route that takes one',
    async (_name, body, status, headers = JSON_TYPE) => {
      const routes = taking();
      expect(routes.length).toBeGreaterThanOrEqual(6);
      const answers = await Promise.all(
        routes.map(async (operation) => {
          const sent = { ...credentials(operation), ...headers };
          const answer = await refused(operation.method, pathOf(operation), { body: Buffer.from(body), headers: sent });
          return [operation.id, answer.status];
        }),
      );
      expect(answers).toEqual(routes.map(({ id }) => [id, status]));
    },
  );

  it('that does not end is cut off', async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      'POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n' +
        'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const chunk = `1000\r\n${' '.repeat(4096)}\r\n`;
    const more = () => {
      while (socket.writable && socket.write(chunk));
    };
    socket.on('drain', more);
    more();
    const [first] = await new Promise<[Buffer]>((resolve) => socket.once('data', (data) => resolve([data])));
    expect(first.toString()).toMatch(/^HTTP\/1\.1 413 /);
    expect(first.toString()).toContain('"code":"PAYLOAD_TOO_LARGE"');
    socket.destroy();
  });

  it('has no place where none is expected', async () => {
    const bodiless = operations.filter(({ method, body }) => method !== 'get' && body === null);
    for (const operation of bodiless) {
      const headers = { ...credentials(operation), ...JSON_TYPE };
      const { status, problem } = await refused(operation.method, pathOf(operation), { body: '{"a":1}', headers });
      expect([operation.id, status, problem['code']]).toEqual([operation.id, 400, 'INVALID_PAYLOAD']);
    }
  });
});

describe('a path', () => {
  it.each([
    '/api/v1/%E0%A4%A',
    '/api/v1/sessions/%00',
    '/api/v1/sessions/by-code/%00',
    '/api/v1/sessions/by-code/%E0%A4%A',
    '/api/v1/sessions/..%2f..%2f..%2fetc%2fpasswd',
    '/api/v1/sessions/by-code/..%2f..',
    '/api/v1/auth/../../../etc/passwd',
    '/api/v1/auth/logins/..%5c..',
    '/api/debug/limits/ip/%00',
    '/api/debug/limits/__proto__/x',
    '/api/debug/sessions/constructor',
    `/api/v1/sessions/${'a'.repeat(10_000)}`,
    "/api/v1/sessions/'%20or%20'1'='1",
    '/api/v1/sessions/%F0%9F%92%A9',
    '/api/v1/%2e%2e/%2e%2e/etc',
  ])('%s leads nowhere', async (path) => {
    const keys = [`X-API-Key: ${KEY}\r\n`, `Authorization: Bearer ${ADMIN}\r\n`];
    for (const key of keys) {
      const request = `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${key}\r\n`;
      const { status } = await wire(request);
      expect([400, 401, 404]).toContain(status);
    }
  });

  it('takes the methods that the document names, and tells them to who tries another', async () => {
    const paths = new Map<string, Operation[]>();
    for (const one of operations) paths.set(one.path, [...(paths.get(one.path) ?? []), one]);
    for (const group of paths.values()) {
      const [first] = group;
      if (first === undefined) continue;
      const taken = group.map(({ method }) => method.toUpperCase());
      const expected = [...taken, ...(taken.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].sort();
      const others = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'].filter((one) => !taken.includes(one));
      for (const method of others) {
        const answer = await refused(method, pathOf(first));
        const allowed = (answer.headers.get('Allow') ?? '').split(', ').sort();
        expect([first.path, method, answer.status, allowed]).toEqual([first.path, method, 405, expected]);
      }
    }
  });
});

describe('the query', () => {
  const NUMBERS = [
    '-1',
    '1e9',
    'NaN',
    '0x10',
    '0',
    '1.5',
    '+1',
    ' 1',
    '１',
    'Infinity',
    '1_0',
    '999999999999999999999',
    '',
  ];
  const WRONG = [
    ...NUMBERS.map((number) => `limit=${encodeURIComponent(number)}`),
    ...[
      'limit=1&limit=2',
      'limit[]=1',
      'limit[a]=1',
      'limit[$gt]=1',
      '__proto__[polluted]=1',
      'constructor=1',
      'other=1',
    ],
  ];

  it('is refused by every route when it is a list, an object, no number, or unknown', async () => {
    // What is there for probes takes what they add.
    const asked = operations.filter(({ method, path }) => method === 'get' && !/health|metrics|openapi/.test(path));
    expect(asked.length).toBeGreaterThan(10);
    for (const operation of asked) {
      const headers = credentials(operation);
      for (const query of WRONG) {
        const { status, problem } = await refused('GET', `${pathOf(operation)}?${query}`, { headers });
        expect([operation.id, query, status, problem['code']]).toEqual([operation.id, query, 400, 'INVALID_PAYLOAD']);
      }
    }
  });

  it('takes the cursor of its own list alone', async () => {
    for (let n = 0; n < 2; n += 1) await api.ok('POST', '/api/v1/sessions', { key: KEY, body: {} });
    const { nextCursor } = await api.ok<{ nextCursor: string }>('GET', '/api/v1/sessions?limit=1', { key: KEY });
    const wrong = [nextCursor.slice(1), `${nextCursor}A`, 'A', '../../etc', '%00', 'x'.repeat(257), 'null', '[]'];
    for (const cursor of wrong) {
      const refusal = await api.refusal('GET', `/api/v1/sessions?cursor=${encodeURIComponent(cursor)}`, { key: KEY });
      expect([cursor, refusal]).toEqual([cursor, [400, 'INVALID_PAYLOAD']]);
    }
    const elsewhere = [
      [`/api/v1/me/sessions?cursor=${nextCursor}`, { token: user.accessToken }],
      [`/api/v1/sessions?status=closed&cursor=${nextCursor}`, { key: KEY }],
    ] as const;
    for (const [path, call] of elsewhere) {
      expect([path, await api.refusal('GET', path, call)]).toEqual([path, [400, 'INVALID_PAYLOAD']]);
    }
  });
});

describe('Authorization', () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const hmac =
    (secret: string | Buffer, hash = 'sha256') =>
    (input: string) =>
      createHmac(hash, secret).update(input).digest();

  function forge(claims: object, header: object = { alg: 'HS256', typ: 'JWT' }, signer = hmac(SECRET)): string {
    const input = `${encode(header)}.${encode(claims)}`;
    return `${input}.${signer(input).toString('base64url')}`;
  }

  /** What is no bearer token at all. */
  const wrongForms = (): Record<string, string> => ({
    empty: '',
    'white space': '   ',
    'the scheme alone': 'Bearer',
    'an empty token': 'Bearer ',
    'another scheme': `Basic ${Buffer.from('ann:secret').toString('base64')}`,
    'no scheme': user.accessToken,
    'two tokens': `Bearer ${user.accessToken} ${user.accessToken}`,
    'with a comma': `Bearer ${user.accessToken}, Bearer ${user.accessToken}`,
  });

  function forgeries(revoked: string): Record<string, string> {
    const seconds = Math.floor(Date.now() / 1000);
    const ids = { sub: user.user.id, sid: randomUUID(), jti: randomUUID() };
    const claims = { iss: 'tandem', aud: 'tandem', ...ids, iat: seconds, exp: seconds + 900 };
    const [head = '', body = '', signature = ''] = user.accessToken.split('.');
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const rsa = (input: string) => sign('sha256', Buffer.from(input), privateKey);
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    const changed = (change: object) => forge({ ...claims, ...change });
    return {
      '20 kB': `Bearer ${'x'.repeat(20_000)}`,
      'a path': 'Bearer ../../etc/passwd',
      'the refresh token': `Bearer ${user.refreshToken}`,
      'the API key': `Bearer ${KEY}`,
      revoked: `Bearer ${revoked}`,
      'no signature': `Bearer ${head}.${body}.`,
      'another signature': `Bearer ${head}.${body}.${signature.split('').reverse().join('')}`,
      'another body': `Bearer ${head}.${encode({ ...claims, sub: 'admin' })}.${signature}`,
      'alg none': `Bearer ${encode({ alg: 'none' })}.${encode(claims)}.`,
      'alg none, signed': `Bearer ${forge(claims, { alg: 'none' })}`,
      HS384: `Bearer ${forge(claims, { alg: 'HS384' }, hmac(SECRET, 'sha384'))}`,
      HS512: `Bearer ${forge(claims, { alg: 'HS512' }, hmac(SECRET, 'sha512'))}`,
      RS256: `Bearer ${forge(claims, { alg: 'RS256', jwk: publicKey.export({ format: 'jwk' }) }, rsa)}`,
      'the public key as a secret': `Bearer ${forge(claims, { alg: 'HS256' }, hmac(String(pem)))}`,
      'kid as a path': `Bearer ${forge(claims, { alg: 'HS256', kid: '../../../../dev/null' }, hmac(''))}`,
      'kid as SQL': `Bearer ${forge(claims, { alg: 'HS256', kid: "' union select 'x' --" }, hmac('x'))}`,
      'another secret': `Bearer ${forge(claims, undefined, hmac('some other secret that is long enough, too'))}`,
      crit: `Bearer ${forge(claims, { alg: 'HS256', crit: ['exp'], exp: 1 })}`,
      expired: `Bearer ${changed({ iat: seconds - 900, exp: seconds - 61 })}`,
      'not yet': `Bearer ${changed({ nbf: seconds + 120 })}`,
      'from the future': `Bearer ${changed({ iat: seconds + 120, exp: seconds + 900 })}`,
      'another audience': `Bearer ${changed({ aud: 'other' })}`,
      'another issuer': `Bearer ${changed({ iss: 'other' })}`,
      'sub that is no text': `Bearer ${changed({ sub: { $gt: '' } })}`,
      ...Object.fromEntries(
        ['iss', 'aud', 'sub', 'sid', 'jti', 'iat', 'exp'].map((name) => [
          `without ${name}`,
          `Bearer ${changed({ [name]: undefined })}`,
        ]),
      ),
      "of an account that isn't there": `Bearer ${changed({ sub: randomUUID() })}`,
    };
  }

  async function answersTo(tries: Record<string, string>): Promise<Map<string, string[]>> {
    const answers = new Map<string, string[]>();
    for (const [name, authorization] of Object.entries(tries)) {
      const { headers, problem } = await refused('GET', '/api/v1/auth/me', {
        headers: { Authorization: authorization },
      });
      const said = JSON.stringify({ ...problem, requestId: '', challenge: headers.get('WWW-Authenticate') });
      answers.set(said, [...(answers.get(said) ?? []), name]);
    }
    return answers;
  }

  it('of more than 30 forgeries gets one answer, in the same words', async () => {
    const login = await api.login(user.user.email);
    await api.ok('POST', '/api/v1/auth/logout', { token: login.accessToken });
    const tries = forgeries(login.accessToken);
    expect(Object.keys(tries).length).toBeGreaterThan(30);
    const answers = await answersTo(tries);
    expect([...answers.values()]).toEqual([Object.keys(tries)]);
    expect([...answers.keys()][0]).toContain('"status":401');
  });

  it('in a wrong form is no token, and is told the right one', async () => {
    const tries = wrongForms();
    const answers = await answersTo(tries);
    expect([...answers.values()]).toEqual([Object.keys(tries)]);
    expect([...answers.keys()][0]).toContain('"status":401');
  });

  it('sent twice is refused, even if both are right', async () => {
    const line = `Authorization: Bearer ${user.accessToken}\r\n`;
    const request = (headers: string) =>
      `GET /api/v1/auth/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`;
    expect((await wire(request(line + line))).status).toBe(401);
    const key = `X-API-Key: ${KEY}\r\n`;
    const list = `GET /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${key}${key}\r\n`;
    expect((await wire(list)).status).toBe(401);
  });

  it('is asked for by every route that is not for anyone, before its body is read', async () => {
    const closed = operations.filter(({ schemes, isOpen }) => schemes.length > 0 && !isOpen);
    expect(closed.length).toBeGreaterThan(15);
    for (const operation of closed) {
      for (const given of [{}, { Authorization: 'Bearer wrong' }, { 'X-API-Key': 'wrong' }, { Cookie: 'token=x' }]) {
        const headers = { ...given, 'Content-Type': 'text/plain' };
        const init = operation.method === 'get' ? { headers: given } : { headers, body: 'nonsense' };
        const { status } = await refused(operation.method, pathOf(operation), init);
        // What is signed is read first, and that it is JSON is said before whose it is.
        const expected = isSigned(operation) ? [401, 415] : [401];
        expect([operation.id, expected.includes(status)]).toEqual([operation.id, true]);
      }
    }
  });

  it('of one kind opens nothing of another', async () => {
    const all: readonly (readonly [string, Record<string, string>])[] = [
      ['accessToken', { Authorization: `Bearer ${user.accessToken}` }],
      ['apiKey', { 'X-API-Key': KEY }],
      ['adminToken', { Authorization: `Bearer ${ADMIN}` }],
    ];
    for (const operation of operations.filter(({ schemes, isOpen }) => schemes.length > 0 && !isOpen)) {
      for (const [scheme, headers] of all) {
        if (operation.schemes.includes(scheme) || isSigned(operation)) continue;
        const { status } = await refused(operation.method, pathOf(operation), { headers });
        expect([operation.id, scheme, status]).toEqual([operation.id, scheme, 401]);
      }
    }
  });
});

describe('an account', () => {
  const COMMON = readFileSync(new URL('../server/auth/common-passwords.txt', import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line.length >= 8 && !line.startsWith('#'));

  it('has no password that anybody would guess, and none that cannot be kept', async () => {
    const sample = COMMON.filter((_password, index) => index % 100 === 0);
    const passwords = ['seven77', ' '.repeat(20), 'a\u0000bcdefghi', '\ud800bcdefghi', 'x'.repeat(201), '', ...sample];
    for (const password of [...passwords, 12_345_678, null, ['a'], { $gt: '' }]) {
      const body = { email: `${randomUUID()}@example.com`, password };
      const refusal = await api.refusal('POST', '/api/v1/auth/register', { body });
      expect([password, refusal]).toEqual([password, [400, 'INVALID_PAYLOAD']]);
    }
  });

  it('has one address, which no mail header could be broken with', async () => {
    const addresses = [
      'ann@example.com\r\nBcc: bob@example.com',
      'ann@example.com\nBcc: bob@example.com',
      'ann@example.com,bob@example.com',
      'ann@example.com;bob@example.com',
      'ann(comment)@example.com',
      'ann@[192.0.2.1]',
      'ann@192.0.2.1',
      'ann@[IPv6:2001:db8::1]',
      'Ann <ann@example.com>',
      '"ann b"@example.com',
      'ann@example.com ',
      ' ann@example.com',
      'ann@localhost',
      'ann@-example.com',
      'ann@exam\u0000ple.com',
      'ann@example.com\u0000',
      'ann@例え.テスト',
      'ann@@example.com',
      '@example.com',
      'ann@',
      '',
      '<script>@example.com',
      `${'a'.repeat(65)}@example.com`,
      `${'a'.repeat(60)}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(63)}.com`,
    ];
    expect(addresses.at(-1)?.length).toBeGreaterThanOrEqual(255);
    for (const email of addresses) {
      const refusal = await api.refusal('POST', '/api/v1/auth/register', { body: { email, password: PASSWORD } });
      expect([email, refusal]).toEqual([email, [400, 'INVALID_PAYLOAD']]);
    }
  });
});
