import { describe, expect, it } from '@jest/globals';
import { stageInstances, stageStores } from '../support/instances-stage.ts';
import { resumeOf } from '../support/seat.ts';

const stores = stageStores();

describe('three instances that all look after the deadlines', () => {
  const stage = stageInstances(stores, {
    env: { SESSION_IDLE_WARNING: '1s', SESSION_IDLE_TIMEOUT: '3s', PARTICIPANT_GRACE: '1500ms' },
  });

  it('warn once, and close once, 12 idle sessions that are spread over them', async () => {
    const pairs = await Promise.all(Array.from({ length: 12 }, (_, n) => stage.pair(n % 3, (n + 1) % 3)));
    const everybody = pairs.flatMap(({ host, guest }) => [host, guest]);
    await Promise.all(
      everybody.map(async ({ client, session }) => {
        await client.next('session:idle');
        expect(await client.next('session:closed')).toEqual({ sessionId: session.id, reason: 'idle' });
      }),
    );
    // Whoever else would have acted on those deadlines has by the time that a later session was closed.
    const witness = await stage.pair(0, 1);
    await witness.host.client.next('session:closed');
    for (const { client } of everybody) {
      await client.barrier();
      expect(client.received('session:idle')).toHaveLength(1);
      expect(client.received('session:closed')).toHaveLength(1);
    }
  });

  it('put off the close for activity on any of them, and warn anew', async () => {
    const { host, guest } = await stage.pair(0, 1);
    const first = await host.client.next('session:idle');
    await guest.client.do('activity:report', { state: 'active' });
    const second = await host.client.next('session:idle');
    expect(Date.parse(second.closesAt)).toBeGreaterThan(Date.parse(first.closesAt));
    expect(guest.client.received('session:closed')).toEqual([]);
  });

  it('end the seat of who stays away too long once', async () => {
    const pairs = await Promise.all(Array.from({ length: 6 }, (_, n) => stage.pair(n % 3, (n + 1) % 3)));
    await Promise.all(pairs.map(({ guest }) => guest.client.drop()));
    await Promise.all(
      pairs.map(async ({ host, guest }) => {
        const left = await host.client.next('session:left');
        expect(left).toMatchObject({ participantId: guest.self.participantId, reason: 'timeout' });
        expect(left.session.status).toBe('waiting');
      }),
    );
    for (const [n, { host, guest }] of pairs.entries()) {
      await host.client.barrier();
      expect(host.client.received('session:left')).toHaveLength(1);
      await expect(stage.connect(n % 3, { auth: resumeOf(guest) })).rejects.toThrow('RESUME_REJECTED');
    }
  });
});
