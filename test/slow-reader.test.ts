import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Client } from './support/client.ts';
import { RawSocket } from './support/raw.ts';
import { resumeOf } from './support/seat.ts';
import type { Seat } from './support/seat.ts';
import { stageSpawnedServer } from './support/spawned-stage.ts';
import { codeOf } from './support/stage.ts';

const BODY = 'x'.repeat(16_000);
const MEBIBYTE = 1024 * 1024;

describe('a reader that does not read', () => {
  const stage = stageSpawnedServer();
  const clients = new Set<Client>();
  const sockets = new Set<RawSocket>();

  afterEach(async () => {
    for (const client of clients) client.close();
    for (const socket of sockets) await socket.close();
    clients.clear();
    sockets.clear();
  });

  async function connect(auth = {}): Promise<Client> {
    const client = new Client(stage.url, { auth });
    clients.add(client);
    expect(await client.opened()).toBeNull();
    return client;
  }

  async function pairWithSlowGuest() {
    const host = await connect();
    const { session } = await host.do('session:create', { capacity: 3 });
    const slow = await RawSocket.connect(stage.url);
    sockets.add(slow);
    const answer = await slow.command('session:join', { code: session.code });
    expect(answer).toMatchObject({ ok: true });
    const seat = answer as Pick<Seat, 'session' | 'self'>; // What the line above has asserted, in types.
    slow.ws.pause();
    return { host, slow, seat };
  }

  function residentBytes(): number {
    const status = readFileSync(`/proc/${stage.server.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }

  it('misses signals, keeps its connection, and costs bounded memory', async () => {
    const { host, slow } = await pairWithSlowGuest();
    const before = residentBytes();
    let sent = 0;
    // 190 MiB: whatever is kept for a reader that does not read would show.
    while (sent < 12_000) {
      await Promise.all(
        Array.from({ length: 50 }, (_, n) => host.do('signal:send', { type: 'n', body: `${sent + n} ${BODY}` })),
      );
      sent += 50;
    }
    expect(residentBytes() - before).toBeLessThan(120 * MEBIBYTE);

    slow.ws.resume();
    expect(await slow.command('session:get', {})).toMatchObject({ ok: true });
    const signals = slow.frames.all.filter((frame) => frame.startsWith('42["signal:new"'));
    expect(signals.length).toBeGreaterThan(0);
    expect(signals.length).toBeLessThan(sent);
    expect(slow.frames.all.some((frame) => frame.includes('connection:closing'))).toBe(false);
    // What did come is in order.
    const numbers = signals.map((frame) => Number(/"body":"(\d+) /.exec(frame)?.[1]));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    await host.do('signal:send', { type: 'last', body: 1 });
    await slow.next((frame) => frame.includes('"type":"last"'), 'a signal after it reads again');
  }, 90_000);

  it('is closed before messages pile up, disturbs nobody, and comes back to all of them', async () => {
    const { host, slow, seat } = await pairWithSlowGuest();
    const witness = await connect();
    await witness.do('session:join', { code: codeOf(seat.session) });
    let sent = 0;
    const say = async () => {
      await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          host.do('message:send', { id: `message-${sent + n + 1}`, body: `${sent + n + 1} ${BODY}` }),
        ),
      );
      sent += 20;
    };
    const isAway = () => host.received('session:presence').some(({ presence }) => presence === 'away');
    // The buffers of the kernel fill first: Linux gives a connection up to 32 MiB for what is not yet read, and 4 MiB
    // for what is not yet sent. 4,000 messages are 61 MiB.
    while (!isAway() && sent < 4000) await say();
    expect(isAway()).toBe(true);
    expect(host.received('session:presence')).toEqual([{ participantId: seat.self.participantId, presence: 'away' }]);
    await say();

    await witness.next('message:new', ({ seq }) => seq === sent);
    expect(witness.received('message:new').map(({ seq }) => seq)).toEqual(
      Array.from({ length: sent }, (_, n) => n + 1),
    );
    expect(witness.received('connection:closing')).toEqual([]);
    const metrics = await (await fetch(`${stage.url}/metrics`)).text();
    expect(metrics).toMatch(/^tandem_connections_closed_total\{reason="slow_consumer"\} 1$/m);

    slow.ws.resume();
    await slow.ended();
    const back = await connect(resumeOf(seat));
    const resumed = await back.next('session:resumed');
    const received = [...resumed.messages];
    let { hasMore } = resumed;
    while (hasMore) {
      const page = await back.do('message:history', { afterSeq: received.at(-1)?.seq ?? 0, limit: 200 });
      received.push(...page.messages);
      hasMore = page.hasMore;
    }
    expect(resumed).toMatchObject({ gap: null, reset: false });
    expect(received.map(({ id }) => id)).toEqual(Array.from({ length: sent }, (_, n) => `message-${n + 1}`));
  }, 90_000);
});
