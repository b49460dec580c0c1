import { describe, expect, it } from '@jest/globals';
import { emailKeyOf, isEmailAddress } from './email-address.ts';
import { LoginThrottle } from './login-throttle.ts';
import { PasswordRules } from './password-rules.ts';
import { Passwords } from './passwords.ts';

describe('a password', () => {
  const rules = PasswordRules.load();

  it.each([
    ['8 characters', 'xK7#mq2p'],
    ['200 characters', 'x7'.repeat(100)],
    ['200 emoji', '😀'.repeat(200)],
    ['a sentence', 'correct horse battery staple'],
    ['letters of any script', 'пароль-для-входа'],
  ])('may be %s', (_what, password) => {
    expect(rules.issues(password, 'password')).toEqual([]);
  });

  it.each([
    ['7 characters', 'xK7#mq2'],
    ['7 emoji', '😀'.repeat(7)],
    ['8 characters that are 4', 'e\u0301'.repeat(4)],
    ['201 characters', `${'x7'.repeat(100)}y`],
    ['10 MB', 'x7'.repeat(5_000_000)],
    ['spaces', ' '.repeat(12)],
    ['with NUL', 'password\u0000#7xK'],
    ['with half a character', 'password\ud800#7xK'],
    ['a common one', 'password1'],
    ['a common one in capitals', 'PassWord1'],
    ['the first of the list', 'password'],
    ['empty', ''],
  ])('may not be %s', (_what, password) => {
    expect(rules.issues(password, 'next')).toEqual([{ path: 'next', message: expect.stringMatching(/^expected /) }]);
  });

  it('is none of the 3,000 most common that are long enough', () => {
    const known = ['12345678', 'qwertyuiop', 'iloveyou', 'trustno1', 'sunshine', '1qaz2wsx', 'football', 'passw0rd'];
    known.push('123456789a', 'welcome1', 'abcd1234', 'superman', 'q1w2e3r4', 'baseball', 'computer', 'password123');
    for (const password of known) expect([password, rules.issues(password, '').length]).toEqual([password, 1]);
  });

  it('is kept as argon2id, and known again, to its last character', async () => {
    const passwords = new Passwords();
    const long = '😀'.repeat(200);
    const kept = await passwords.hash(long);
    expect(kept).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await passwords.hash(long)).not.toBe(kept);
    expect(await passwords.verify(kept, long)).toBe(true);
    expect(await passwords.verify(kept, `${'😀'.repeat(199)}😁`)).toBe(false);
    expect(await passwords.verify(kept, long.slice(0, -2))).toBe(false);
  });

  it('is the same, however a keyboard composes it', async () => {
    const passwords = new Passwords();
    expect(await passwords.verify(await passwords.hash('caf\u00e9-au-lait'), 'cafe\u0301-au-lait')).toBe(true);
    expect(await passwords.verify(await passwords.hash('\ufb01ne-as-it-is'), 'fine-as-it-is')).toBe(false);
  });

  it('fits no account that is not there, whatever it is', async () => {
    const passwords = new Passwords();
    for (const password of ['', 'password', '\u0000']) expect(await passwords.verify(null, password)).toBe(false);
  });

  it('is checked one at a time in the order of asking; what is too much is refused at once', async () => {
    const passwords = new Passwords({ mostWaiting: 2 });
    const order: number[] = [];
    const asked = [0, 1, 2].map((number) => passwords.verify(null, 'x').then(() => order.push(number)));
    await expect(passwords.verify(null, 'x')).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1000 });
    expect(order).toEqual([]);
    await Promise.all(asked);
    expect(order).toEqual([0, 1, 2]);
    // A turn that failed was handed on all the same.
    await expect(passwords.verify('no hash', 'x')).rejects.toThrow();
    expect(await passwords.verify(null, 'x')).toBe(false);
  });
});

describe('attempts at an account', () => {
  it('are answered later and later after failures, and never refused', async () => {
    let now = 0;
    const waits: number[] = [];
    const throttle = new LoginThrottle({ now: () => now, wait: (ms) => Promise.resolve(waits.push(ms)) });
    for (let count = 0; count < 9; count += 1) {
      await throttle.pass('a@example.org');
      throttle.failed('a@example.org');
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 2000, 2000]);
    await throttle.pass('other@example.org');
    expect(waits).toHaveLength(6);
    now = 15 * 60_000;
    await throttle.pass('a@example.org');
    expect(waits).toHaveLength(6);
    throttle.failed('a@example.org');
    throttle.succeeded('a@example.org');
    await throttle.pass('a@example.org');
    expect(waits).toHaveLength(6);
  });

  it('wait in a bounded number', async () => {
    const release: (() => void)[] = [];
    const throttle = new LoginThrottle({ now: () => 0, wait: () => new Promise<void>((done) => release.push(done)) });
    for (let count = 0; count < 3; count += 1) throttle.failed('a');
    const waiting = Array.from({ length: 500 }, () => throttle.pass('a'));
    await expect(throttle.pass('a')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await throttle.pass('b');
    for (const done of release) done();
    await Promise.all(waiting);
  });
});

describe('an e-mail address', () => {
  it.each(['a@example.org', 'first.last+tag@sub.example.co.uk', "o'hara_7@example.org", 'a@xn--bcher-kva.example'])(
    'may be %s',
    (address) => {
      expect(isEmailAddress(address)).toBe(true);
    },
  );

  it.each([
    '',
    'a',
    '@example.org',
    'a@',
    'a@example',
    'a@example.org\r\nBcc: b@example.org',
    'a@example.org\n',
    'a@example.org,b@example.org',
    'a@example.org;b@example.org',
    'a@b@example.org',
    'a b@example.org',
    ' a@example.org',
    'a(comment)@example.org',
    'a@(comment)example.org',
    '"a"@example.org',
    'A <a@example.org>',
    'a@[192.0.2.1]',
    'a@192.0.2.1',
    'a@-example.org',
    'a@example-.org',
    'a@example..org',
    '.a@example.org',
    'a.@example.org',
    'a..b@example.org',
    'a@example.org.',
    'a@exämple.org',
    'a\u0000@example.org',
    '%0d%0a@exa mple.org',
    `${'a'.repeat(65)}@example.org`,
    `a@${'b'.repeat(64)}.org`,
    `a@${'b.'.repeat(125)}org`,
  ])('may not be %j', (address) => {
    expect(isEmailAddress(address)).toBe(false);
  });

  it('is compared without its case', () => {
    expect(emailKeyOf('Ann@Example.ORG')).toBe('ann@example.org');
  });
});
