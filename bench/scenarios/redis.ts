import { createClient } from 'redis';
import type { Closers } from '../closers.ts';
import { rounded, type Figure } from '../figures.ts';
import type { Options } from '../options.ts';
import { startContender, type Contender } from '../peers/contenders.ts';
import { inField } from '../peers/field.ts';
import { loadContender } from '../peers/round.ts';
import { callsOf, callsSince, callsText, PUBLISH_CALLS, SCRIPT_CALLS, sumOfCalls, type Calls } from '../redis-calls.ts';
import type { Report } from '../report.ts';
import { takeSeats } from '../seats/take-seats.ts';
import type { Workspace } from '../workspace.ts';

const SESSIONS = 1_000;
const AT_ONCE = 20;
const PAIRS = 20;
const RATE_PER_SECOND = 2_000;
const SHARE_OF_DURATION = 0.3;
const WARMUP_MS = 1_000;
const TARGET_BYTES = 2_048;
const KEYS_AT_ONCE = 1_000;

/** What Redis was asked while so many messages were acknowledged. */
interface Asked {
  readonly messages: number;
  readonly calls: Calls;
}

/** What Redis is asked for a message across two instances, and what it keeps of a session in which nothing happens. */
export async function runRedisScenario(options: Options, workspace: Workspace): Promise<Report> {
  const sessions = options.sessions ?? SESSIONS;
  const pairs = options.pairs ?? PAIRS;
  const ratePerSecond = options.ratePerSecond ?? RATE_PER_SECOND;
  const durationMs = options.durationMs * SHARE_OF_DURATION;
  const { result } = await inField(options, workspace, async (field, closers) => {
    const contender = await startContender(field, 'tandem', 2, closers);
    const bytes = await bytesOfIdle(contender, sessions, closers, workspace.signal);
    const shape = { instances: 2, pairs, durationMs, warmupMs: WARMUP_MS };
    const talk = async (rate: number): Promise<Asked> => {
      const before = await callsOf(contender.redis);
      const { load } = await loadContender(field, contender, { ...shape, loop: { kind: 'open', ratePerSecond: rate } });
      return { messages: load.counts.acknowledged, calls: callsSince(before, await callsOf(contender.redis)) };
    };
    return { bytes, less: await talk(ratePerSecond / 2), more: await talk(ratePerSecond) };
  });
  return {
    title: `redis: ${ratePerSecond / 2} and ${ratePerSecond}/s over ${pairs} pairs across two instances, beside ${sessions} idle sessions of two`,
    figures: figuresOf(result),
  };
}

async function bytesOfIdle(
  { servers, redis }: Contender,
  sessions: number,
  closers: Closers,
  signal: AbortSignal,
): Promise<number> {
  const addresses = servers.map(({ address }) => address);
  const plan = { address: addresses[0] ?? '', guestAddress: addresses[1] ?? '', atOnce: AT_ONCE, isStaying: true };
  // What is there once, whatever the number of sessions, is there by then.
  const first = await takeSeats({ ...plan, pairs: AT_ONCE }, signal);
  closers.add(() => first.end());
  const before = await bytesOfKeys(redis.url);
  const idle = await takeSeats({ ...plan, pairs: sessions }, signal);
  closers.add(() => idle.end());
  return ((await bytesOfKeys(redis.url)) - before) / sessions;
}

/** Of all keys with all that is in them; `SAMPLES 0` counts each member. */
async function bytesOfKeys(url: string): Promise<number> {
  const client = createClient({ url, RESP: 2 });
  await client.connect();
  try {
    let bytes = 0;
    for await (const keys of client.scanIterator({ COUNT: KEYS_AT_ONCE })) {
      const sizes = await Promise.all(keys.map((key) => client.memoryUsage(key, { SAMPLES: 0 })));
      bytes += sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
    }
    return bytes;
  } finally {
    client.destroy();
  }
}

/** Connecting, heartbeats and polls are asked in both loads alike: what is left is what more messages asked. */
function marginal(less: Asked, more: Asked): Asked {
  return { messages: more.messages - less.messages, calls: callsSince(less.calls, more.calls) };
}

function figuresOf({ bytes, less, more }: { bytes: number; less: Asked; more: Asked }): Figure[] {
  const { messages, calls } = marginal(less, more);
  const scripts = sumOfCalls(more.calls, SCRIPT_CALLS) / more.messages;
  const published = sumOfCalls(calls, PUBLISH_CALLS) / messages;
  const all = sumOfCalls(calls, [...calls.keys()]) / messages;
  return [
    {
      // Sends share a call the more, the more of them there are: the difference of two loads says nothing of it.
      name: 'scripts per message, with all that goes on besides',
      value: scripts.toFixed(3),
      target: { text: '1.05 or less', isReached: scripts <= 1.05 },
    },
    {
      name: 'publishes per message',
      value: published.toFixed(3),
      target: { text: '1.05 or less', isReached: published <= 1.05 },
    },
    { name: 'commands per message, with those inside of scripts', value: all.toFixed(1) },
    { name: '  by name', value: callsText(calls, messages) },
    {
      name: 'bytes of an idle session of two',
      value: rounded(bytes),
      target: { text: `${TARGET_BYTES} or less`, isReached: bytes <= TARGET_BYTES },
    },
  ];
}
