import { describe, expect, it } from '@jest/globals';
import { createTextMask, maskMailAddress, maskText } from './log-mask.ts';

/** Made up, in the forms that the libraries have. */
const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLXRoaXM';
const RANDOM = 'Zm9vYmFy0123456789abcdefXYZ-_0123456789abcd';

describe('the text of others', () => {
  it.each([
    ['no address', 'could not send to <ann.lee+x@example.com>: 550', 'could not send to <a***@example.com>: 550'],
    ['no address of any script', 'from ünal@exämple.de.', 'from ü***@exämple.de.'],
    ['no key of Postgres', 'Key (email)=(a@b.c) already exists.', 'Key (email)=(***) already exists.'],
    ['no password of a URL', 'connect redis://:p@ss,w:rd@10.1.2.3:6379/0', 'connect redis://***@10.1.2.x:6379/0'],
    ['no user of a URL', 'postgres://app:secret@db.example/x', 'postgres://***@db.example/x'],
    ['no IPv4', 'connect ECONNREFUSED 192.0.2.77:5432', 'connect ECONNREFUSED 192.0.2.x:5432'],
    ['no IPv6', 'connect ECONNREFUSED 2001:db8:1:2:3::4', 'connect ECONNREFUSED 2001:db8:1::/48'],
    ['no IPv6 in brackets', 'at [2001:db8:1:2::1]:80', 'at [2001:db8:1::/48]:80'],
    ['no mapped IPv4', 'from ::ffff:192.0.2.77', 'from 192.0.2.x'],
    ['no token', `bad token ${JWT}!`, 'bad token [token]!'],
    ['no cut token', `bad token ${JWT.slice(0, 30)}...`, 'bad token [token]...'],
    ['no key in hex', `secret ${'0a1b2c3d'.repeat(8)}`, 'secret [secret]'],
    ['no random key', `token ${RANDOM} is unknown`, 'token [secret] is unknown'],
    ['no code', 'no such code BCD234', 'no such code ***'],
    ['no code as it is shown', 'BCD-234 is taken', '*** is taken'],
    ['no code as it was typed', 'code: "bcd-234"', 'code: "***"'],
    [
      'no body that V8 quotes',
      `Unexpected token 'm', "my body" is not valid JSON`,
      `Unexpected token 'm', "***" is not valid JSON`,
    ],
    [
      'no beginning of a body that V8 quotes',
      `Unexpected token 'x', "my secret "... is not valid JSON`,
      `Unexpected token 'x', "***" is not valid JSON`,
    ],
    [
      'no middle of one',
      `Unexpected token 'x', ..."ab "secret" xy"... is not valid JSON`,
      `Unexpected token 'x', "***" is not valid JSON`,
    ],
    [
      'no value that Postgres quotes',
      'invalid input syntax for type uuid: "my body"',
      'invalid input syntax for type uuid: ***',
    ],
    [
      'no arguments that Redis quotes',
      `ERR unknown command 'X', with args beginning with: 'my' 'body'`,
      `ERR unknown command 'X', with args beginning with: ***`,
    ],
  ])('has %s', (_what, given, expected) => {
    expect(maskText(given)).toBe(expected);
  });

  it('has no body that this very engine quotes', () => {
    const bodies = ['secret', 'secret '.repeat(9), `{"a":secret${' secret'.repeat(9)}}`, `["secret",[secret]]`];
    for (const body of bodies) {
      const [said, quoted] = [messageOf(() => JSON.parse(body)), /sec/];
      expect(said).toMatch(quoted);
      expect(maskText(said)).not.toMatch(quoted);
    }
  });

  it.each([
    'duplicate key value violates unique constraint "accounts_email_key"',
    'read ECONNRESET at 12:34:56 after 1234567 ms',
    '    at Gateway.#admit (file:///srv/tandem/node_modules/@socket.io/redis-adapter@8.3.0/dist/index.js:12:345)',
    '    at node:internal/process/task_queues:95:5',
    'session 0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b has ended',
    'expected PORT, received XML; SQLSTATE 23505, HTTP 503, TLSv1.3, version 1.2.3',
    'readTheWholeConfigurationFromTheEnvironment is no function',
  ])('is left alone: %s', (text) => {
    expect(maskText(text)).toBe(text);
  });

  it('takes no long time, whatever it is', () => {
    const texts = ['a', '@', ':', '.', '1', '1.', 'a:', '://', 'eyJ', 'code ', '"', '-', 'B', 'Key (', '(', 'a@'];
    const startedAt = performance.now();
    for (const text of texts) maskText(text.repeat(9000 / text.length));
    // Each a few milliseconds; a pattern that goes astray takes minutes.
    maskText(`${'"'.repeat(200_000)} JSON`);
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });
});

describe('a secret of the configuration', () => {
  const SECRETS = ['lower-case-token', 'lower-case-token-two', 'aB/c+d9=', 'planted p@ss', 'short', ''];
  const mask = createTextMask(SECRETS);

  it.each([
    ['no lower-case token', 'refused lower-case-token.', 'refused ***.'],
    ['no base64 with a slash', 'key aB/c+d9= is no key', 'key *** is no key'],
    ['none in a URL', 'GET /?key=aB%2Fc%2Bd9%3D', 'GET /?key=***'],
    ['the longer one as a whole', 'lower-case-token-two', '***'],
    ['none that another pattern would cut', 'no planted p@ss here', 'no *** here'],
    ['what stands in many words', 'shorter, an ordinary word', 'shorter, an ordinary word'],
    ['the rest, masked as ever', 'from ann@example.com', 'from a***@example.com'],
  ])('leaves %s', (_what, given, expected) => {
    expect(mask(given)).toBe(expected);
  });

  it('is not left half where a text is cut', () => {
    expect(mask('refused lower-case-to', true)).toBe('refused ***');
    expect(mask('refused lower-case-to')).toBe('refused lower-case-to');
  });
});

describe('an address', () => {
  it('shows its first character and its domain', () => {
    expect(['ann@example.com', 'x@y', '@y', 'nobody', '"a@b"@c.d'].map(maskMailAddress)).toEqual([
      ...['a***@example.com', 'x***@y', '***', '***', '"***@c.d'],
    ]);
  });
});

function messageOf(act: () => unknown): string {
  try {
    return `it came to ${String(act())}`;
  } catch (error) {
    return String(error);
  }
}
