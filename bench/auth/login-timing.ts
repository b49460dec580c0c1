import { randomInt } from 'node:crypto';
import { Agent, request } from 'node:http';
import type { Account } from './login-attempts.ts';

export interface LoginTimings {
  /** Milliseconds from the request to the whole answer: a wrong password at an account, and at an address without one. */
  readonly known: number[];
  readonly unknown: number[];
  /** Answers that were not `INVALID_CREDENTIALS`: they are in neither. */
  readonly others: number;
}

/**
 * One login after another over one connection, known and unknown addresses in a random order: whatever the machine does
 * besides meets both alike. No account is tried more often than accounts, in turn, need: failures in a row are delayed.
 */
export async function timeLogins(
  address: string,
  accounts: readonly Account[],
  tries: number,
  signal: AbortSignal,
): Promise<LoginTimings> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const timings = { known: [] as number[], unknown: [] as number[], others: 0 };
  const left = { known: tries / 2, unknown: tries / 2 };
  try {
    while (left.known + left.unknown > 0) {
      signal.throwIfAborted();
      const kind = randomInt(left.known + left.unknown) < left.known ? 'known' : 'unknown';
      left[kind] -= 1;
      const { email, password } = accounts[left[kind] % accounts.length] ?? { email: '', password: '' };
      // As long as that of the account, so that no byte more is sent or parsed.
      const tried = kind === 'known' ? email : `x${email.slice(1)}`;
      const startedAt = performance.now();
      const status = await post(agent, `http://${address}/api/v1/auth/login`, {
        email: tried,
        password: `${password}!`,
      });
      const tookMs = performance.now() - startedAt;
      if (status === 401) timings[kind].push(tookMs);
      else timings.others += 1;
    }
    return timings;
  } finally {
    agent.destroy();
  }
}

function post(agent: Agent, url: string, body: object): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { agent, method: 'POST', headers: { 'Content-Type': 'application/json' } },
      (response) => {
        response.resume();
        response.once('error', reject);
        response.once('end', () => resolve(response.statusCode ?? 0));
      },
    );
    sent.once('error', reject);
    sent.end(JSON.stringify(body));
  });
}
