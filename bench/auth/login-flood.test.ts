import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { hasKey } from '../engine/frames.ts';
import { loginAttempts, type Attempt } from './login-attempts.ts';
import { flood } from './login-flood.ts';

const PASSWORD = 'a right one';
const ACCOUNTS = ['ann@example.org', 'ben@example.org'].map((email) => ({ email, password: PASSWORD }));

function firstOf(count: number): Attempt[] {
  const attempts = loginAttempts(ACCOUNTS);
  return Array.from({ length: count }, () => attempts.next().value).filter((attempt) => attempt !== undefined);
}

describe('the attempts', () => {
  it('are half right, a quarter wrong passwords and a quarter unknown addresses', () => {
    const attempts = firstOf(400);
    const atAccounts = attempts.filter(({ email }) => ACCOUNTS.some((account) => account.email === email));
    const right = atAccounts.filter(({ password }) => password === PASSWORD);
    expect([attempts.length, atAccounts.length, right.length]).toEqual([400, 300, 200]);
    for (const attempt of attempts) expect(attempt.expected).toBe(right.includes(attempt) ? 'right' : 'wrong');
  });

  it('never fail twice in a row at one account', () => {
    for (const { email } of ACCOUNTS) {
      const own = firstOf(64).filter((attempt) => attempt.email === email);
      const wrong = own.flatMap(({ expected }, index) => (expected === 'wrong' ? [index] : []));
      expect(wrong.length).toBeGreaterThan(0);
      for (const index of wrong) expect(own[index + 1]?.expected).toBe('right');
    }
  });
});

describe('a flood of logins', () => {
  let server: Server;
  let address: string;
  /** What is answered to whom. */
  const answers = new Map<unknown, { status: number; code?: string }>();

  beforeEach(async () => {
    server = createServer((request, response) => {
      void json(request).then((body) => {
        const { status, code } = answers.get(hasKey(body, 'email') ? body.email : null) ?? { status: 404 };
        response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ code }));
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  });

  it('is counted by what was answered, with what should not have been', async () => {
    answers.set('in', { status: 200 }).set('out', { status: 401, code: 'INVALID_CREDENTIALS' });
    answers.set('busy', { status: 503, code: 'UNAVAILABLE' }).set('broken', { status: 500, code: 'INTERNAL' });
    const attempt = (email: string, expected: 'right' | 'wrong'): Attempt => ({ email, password: PASSWORD, expected });
    const attempts = [
      ...[attempt('in', 'right'), attempt('out', 'wrong'), attempt('busy', 'right'), attempt('busy', 'wrong')],
      ...[attempt('in', 'wrong'), attempt('out', 'right'), attempt('broken', 'right')],
    ];
    expect(await flood(address, attempts, 1000, new AbortController().signal)).toMatchObject({
      ...{ offered: 7, signedIn: 1, refused: 1, unavailable: 2 },
      faults: { 'a wrong password was let in': 1, 'a right password was refused': 1, INTERNAL: 1 },
      latencyMs: { count: 2 },
    });
  });

  it('ends when it is told to, though there are more attempts', async () => {
    const stop = new AbortController();
    const flooding = flood(address, loginAttempts(ACCOUNTS), 1000, stop.signal);
    await once(server, 'request');
    stop.abort();
    const { offered, faults } = await flooding;
    expect(offered).toBeGreaterThan(0);
    expect(faults).toEqual({ 'status 404': offered });
  });
});
