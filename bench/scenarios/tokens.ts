import { v7 as uuidv7 } from 'uuid';
import { makeTokens, TokenChecks } from '../auth/token-checks.ts';
import { median, rounded, type Figure } from '../figures.ts';
import type { Report } from '../report.ts';

const REVOCATIONS = [0, 100_000] as const;
/** Fewer than an instance remembers of verified tokens. */
const TOKENS = 5000;
const REVOKED_TOKENS = 1000;
const CACHED_CHECKS = 100_000;
const REFUSED_CHECKS = 10_000;
/** The states take turns, so that a change of the machine's mood meets both. */
const ROUNDS = 3;
const TARGET_CACHED_MICROS = 100;

interface Measured {
  readonly first: number[];
  readonly cached: number[];
  readonly refused: number[];
}

/** What it costs to decide whether a token counts, on a request or a socket: CPU of a process that does nothing else. */
export async function runTokensScenario(signal: AbortSignal): Promise<Report> {
  const good = (await makeTokens(TOKENS)).map(({ token }) => token);
  const ended = await makeTokens(REVOKED_TOKENS);
  const bad = ended.map(({ token }) => token);
  const figures: Figure[] = [];
  const rooms: { checks: TokenChecks; measured: Measured }[] = [];
  try {
    for (const count of REVOCATIONS) {
      const others = Array.from({ length: Math.max(0, count - ended.length) }, () => uuidv7());
      const checks = await TokenChecks.open(count === 0 ? [] : [...ended.map(({ loginId }) => loginId), ...others]);
      rooms.push({ checks, measured: { first: [], cached: [], refused: [] } });
      checks.forget();
      // Not counted: the compiler of Node.js gets to know the path.
      await checks.measure(good, 4 * TOKENS, 'accepted');
    }
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const { checks, measured } of rooms) {
        signal.throwIfAborted();
        checks.forget();
        measured.first.push(await checks.measure(good, TOKENS, 'accepted'));
        measured.cached.push(await checks.measure(good, CACHED_CHECKS, 'accepted'));
        if (checks.activeRevocations === 0) continue;
        await checks.measure(bad, REVOKED_TOKENS, 'refused');
        measured.refused.push(await checks.measure(bad, REFUSED_CHECKS, 'refused'));
      }
    }
    for (const { checks, measured } of rooms) figures.push(...figuresOf(checks.activeRevocations, measured));
  } finally {
    await Promise.all(rooms.map(({ checks }) => checks.stop()));
  }
  return {
    title: `tokens: CPU of a check, ${TOKENS.toLocaleString('en-US')} tokens of our own, median of ${ROUNDS} rounds`,
    figures,
  };
}

function figuresOf(revocations: number, { first, cached, refused }: Measured): Figure[] {
  const of = `${revocations.toLocaleString('en-US')} revocations`;
  const slowest = Math.max(...cached);
  return [
    { name: `${of}, first time`, value: micros(first) },
    {
      name: `${of}, cached`,
      value: micros(cached),
      target: { text: `below ${TARGET_CACHED_MICROS} us in every round`, isReached: slowest < TARGET_CACHED_MICROS },
    },
    ...(refused.length === 0 ? [] : [{ name: `${of}, cached and revoked`, value: micros(refused) }]),
  ];
}

function micros(rounds: readonly number[]): string {
  return `${rounded(median(rounds))} us (${rounded(Math.min(...rounds))} to ${rounded(Math.max(...rounds))})`;
}
