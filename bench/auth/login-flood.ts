import { setTimeout as delay } from 'node:timers/promises';
import { hasKey } from '../engine/frames.ts';
import { Samples, type Summary } from '../engine/samples.ts';
import { Tally } from '../engine/tally.ts';
import type { Account, Attempt } from './login-attempts.ts';

const ANSWER_DEADLINE_MS = 20_000;

export interface FloodResult {
  readonly offered: number;
  /** Answered as they had to be: right ones with tokens, wrong ones with `INVALID_CREDENTIALS`. */
  readonly signedIn: number;
  readonly refused: number;
  readonly unavailable: number;
  /** What must not happen: another code, no answer, a wrong password let in. */
  readonly faults: Record<string, number>;
  /** Of those that were signed in or refused, from the moment the attempt was due. */
  readonly latencyMs: Summary | null;
}

/** Accounts to sign in to. Each costs the server the hash of a password. */
export async function registerAccounts(address: string, count: number, name: string): Promise<Account[]> {
  const accounts: Account[] = [];
  for (let index = 0; index < count; index += 1) {
    const account = { email: `${name}-${index}@example.org`, password: `correct horse battery ${name}` };
    const { status, code } = await post(`http://${address}/api/v1/auth/register`, account);
    if (status !== 201) throw new Error(`expected an account to be made, got ${status} ${code ?? ''}`);
    accounts.push(account);
  }
  return accounts;
}

/** Logins at a constant rate, whatever becomes of them. Once `stop` fires none is sent; those under way are awaited. */
export async function flood(
  address: string,
  attempts: Iterable<Attempt>,
  ratePerSecond: number,
  stop: AbortSignal,
): Promise<FloodResult> {
  const latency = new Samples();
  const outcomes = new Tally();
  const underWay: Promise<void>[] = [];
  const attempt = async (given: Attempt, dueAt: number): Promise<void> => {
    const outcome = await outcomeOf(address, given);
    outcomes.add(outcome);
    if (outcome === 'signedIn' || outcome === 'refused') latency.add(performance.now() - dueAt);
  };
  const startedAt = performance.now();
  for (const given of attempts) {
    const dueAt = startedAt + (underWay.length * 1000) / ratePerSecond;
    await delay(Math.max(0, dueAt - performance.now()), undefined, { signal: stop }).catch(() => undefined);
    if (stop.aborted) break;
    underWay.push(attempt(given, dueAt));
  }
  await Promise.all(underWay);
  const { signedIn = 0, refused = 0, UNAVAILABLE: unavailable = 0, ...faults } = outcomes.toObject();
  return { offered: underWay.length, signedIn, refused, unavailable, faults, latencyMs: latency.summary() };
}

async function outcomeOf(address: string, { email, password, expected }: Attempt): Promise<string> {
  try {
    const { status, code } = await post(`http://${address}/api/v1/auth/login`, { email, password });
    if (status === 200) return expected === 'right' ? 'signedIn' : 'a wrong password was let in';
    if (code === 'INVALID_CREDENTIALS') return expected === 'wrong' ? 'refused' : 'a right password was refused';
    return code ?? `status ${status}`;
  } catch {
    return 'no answer';
  }
}

async function post(url: string, body: object): Promise<{ status: number; code: string | null }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
  });
  const answer: unknown = await response.json();
  return {
    status: response.status,
    code: hasKey(answer, 'code') && typeof answer.code === 'string' ? answer.code : null,
  };
}
