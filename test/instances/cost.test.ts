import { describe, expect, it } from '@jest/globals';
import type { Ack } from '../../protocol/commands.ts';
import { stageInstances, stageStores } from '../support/instances-stage.ts';
import { RawSocket } from '../support/raw.ts';
import { monitored } from '../support/redis-monitor.ts';

const stores = stageStores();
// Hundreds of sessions at once may be more than a busy machine archives in time: here it is Redis that is measured.
const stage = stageInstances(stores, { server: { errors: ['archive_failed', 'db_error'] } });
const MESSAGES = 200;

describe('an accepted message', () => {
  it('costs one round trip to Redis, and one publish for each other instance with a participant', async () => {
    const apart = await stage.pair(0, 1);
    const together = await stage.pair(2, 2);
    const everywhere = await stage.host(0, { capacity: 3 });
    await stage.guest(1, everywhere.session.code);
    await stage.guest(2, everywhere.session.code);
    const seen = await monitored(stores.redis, async () => {
      for (const [name, { client }] of Object.entries({ apart: apart.host, together: together.host, everywhere })) {
        await Promise.all(
          Array.from({ length: MESSAGES }, (_, n) => client.do('message:send', { id: `${name}-${n}-end`, body: n })),
        );
      }
    });
    for (const [name, others] of Object.entries({ apart: 1, together: 0, everywhere: 2 })) {
      for (let n = 0; n < MESSAGES; n += 1) {
        const about = seen.filter(({ text }) => text.includes(`${name}-${n}-end`));
        const fromOutside = about.filter(({ isFromScript }) => !isFromScript);
        const published = about.filter(({ isFromScript, text }) => isFromScript && /^"PUBLISH"/i.test(text));
        expect({ name, n, roundTrips: fromOutside.length, published: published.length }).toEqual({
          name,
          n,
          roundTrips: 1,
          published: others,
        });
      }
    }
    // Nothing else is asked for a message: what is left is the background's, which does not grow with their number.
    const appends = seen.filter(({ isFromScript, text }) => !isFromScript && /-\d+-end\b/.test(text));
    const ids = [apart.host, together.host, everywhere].map(({ session }) => session.id);
    const rest = seen.filter(
      ({ isFromScript, text }) =>
        !isFromScript && !/-\d+-end\b/.test(text) && ids.some((id) => text.includes(`s:${id}"`)),
    );
    // Messages of one turn share a call.
    expect(appends.length).toBeLessThanOrEqual(3 * MESSAGES);
    expect(appends.length).toBeGreaterThan(0);
    expect(rest.length).toBeLessThan(MESSAGES);
  }, 40_000);
});

describe('an idle session of two', () => {
  // Each costs the same, and so many are there in seconds: `TEST_SESSIONS=2000` looks at more of them.
  const SESSIONS = Number(process.env['TEST_SESSIONS'] ?? '500');
  const LANES = 2;

  it(`takes less than 2 KiB of Redis, by ${SESSIONS} of them`, async () => {
    const urls = stage.urls.slice(0, 2);
    const [hosts = '', guests = ''] = urls;
    const sockets: RawSocket[] = [];
    const seatPairs = async (count: number) => {
      for (let n = 0; n < count; n += 1) {
        const [host, guest] = await Promise.all([RawSocket.connect(hosts), RawSocket.connect(guests)]);
        sockets.push(host, guest);
        const created = (await host.command('session:create', {})) as Ack<'session:create'>;
        if (!created.ok) throw new Error(created.error.message);
        const joined = (await guest.command('session:join', { code: created.session.code })) as Ack<'session:join'>;
        if (!joined.ok) throw new Error(joined.error.message);
      }
    };
    try {
      // What is there once, such as the scripts, is there by then.
      await seatPairs(20);
      const first = await usedMemory();
      // Few at a time: three servers share this process, and one that is overloaded refuses connections.
      await Promise.all(Array.from({ length: LANES }, () => seatPairs(SESSIONS / LANES)));
      const bytes = (await usedMemory()) - first;
      expect(bytes / SESSIONS).toBeLessThan(2048);
      // Not in a cache that was there before.
      expect(bytes / SESSIONS).toBeGreaterThan(300);
    } finally {
      await Promise.all(sockets.map((socket) => socket.close()));
    }
  }, 90_000);
});

async function usedMemory(): Promise<number> {
  const info = String(await stores.redis.command('INFO', 'memory'));
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
}
