import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import type { DueMail, NewMail } from '../../sessions/ports.ts';
import { NOW } from '../../../test/support/stored-session.ts';
import type { Suite } from './suite.conformance.ts';

const LEASE_MS = 60_000;

export function newMail(overrides: Partial<NewMail> = {}): NewMail {
  return {
    id: randomUUID(),
    sessionId: randomUUID(),
    sender: 'user-1',
    recipient: 'ada@example.org',
    content: { code: 'BCD234', note: 'Grüße', nested: { 10: null, 2: [1.5] } },
    now: NOW,
    dueAt: NOW,
    ...overrides,
  };
}

/** Mails on their way. Each test leaves none that waits, because whoever asks is handed those of all. */
export function queueing(suite: Suite): void {
  it('hands a mail out once, as it was given, when it is due', async () => {
    const { mailQueue } = suite;
    const [now, later] = [newMail({ now: NOW - 7 }), newMail({ dueAt: NOW + 1 })];
    for (const mail of [now, later, { ...now, recipient: 'bob@example.org' }]) await mailQueue.enqueue(mail);
    const { id, sessionId, sender, recipient, content } = now;
    const taken = (await Promise.all([1, 2, 3].map(() => mailQueue.take(NOW, LEASE_MS, 10)))).flat();
    expect(taken).toEqual([{ id, sessionId, sender, recipient, content, attempts: 1, createdAt: NOW - 7 }]);
    const [next] = await mailQueue.take(NOW + 1, LEASE_MS, 10);
    expect(next).toMatchObject({ id: later.id, attempts: 1 });
    await sent(suite, [...taken, ...(next === undefined ? [] : [next])]);
  });

  it('takes at most so many, the longest due first', async () => {
    const { mailQueue } = suite;
    const mails = [3, 1, 2].map((late) => newMail({ dueAt: NOW - late }));
    for (const mail of mails) await mailQueue.enqueue(mail);
    const first = await mailQueue.take(NOW, LEASE_MS, 2);
    expect(first.map(({ id }) => id).toSorted()).toEqual([mails[0]?.id, mails[2]?.id].toSorted());
    const second = await mailQueue.take(NOW, LEASE_MS, 2);
    expect(second.map(({ id }) => id)).toEqual([mails[1]?.id]);
    await sent(suite, [...first, ...second]);
  });

  it('hands a mail out again whose attempt did not end in time, and goes by how the last one ended', async () => {
    const { mailQueue } = suite;
    const { id } = newMail();
    await mailQueue.enqueue(newMail({ id }));
    const attempts = async (now: number) => (await mailQueue.take(now, LEASE_MS, 10)).map((mail) => mail.attempts);
    expect(await attempts(NOW)).toEqual([1]);
    expect(await attempts(NOW + LEASE_MS - 1)).toEqual([]);
    expect(await attempts(NOW + LEASE_MS)).toEqual([2]);
    // The end of the first, which counted as failed by then.
    await mailQueue.settle([{ id, attempts: 1, kind: 'dead', error: '550 no' }], NOW);
    const dueAt = NOW + 2 * LEASE_MS;
    await mailQueue.settle([{ id, attempts: 2, kind: 'waiting', dueAt, error: '451 later' }], NOW);
    expect(await attempts(dueAt - 1)).toEqual([]);
    expect(await attempts(dueAt)).toEqual([3]);
    await mailQueue.settle([{ id, attempts: 3, kind: 'sent' }], NOW);
    await mailQueue.settle([{ id, attempts: 3, kind: 'waiting', dueAt, error: 'late' }], NOW);
    expect(await attempts(dueAt + LEASE_MS)).toEqual([]);
  });

  it('counts what waits and what was given up, and not what was withdrawn, several settled at once', async () => {
    const { mailQueue } = suite;
    const before = await mailQueue.counts();
    const mails = [newMail(), newMail(), newMail(), newMail()];
    for (const mail of mails) await mailQueue.enqueue(mail);
    expect(await mailQueue.counts()).toEqual({ ...before, waiting: before.waiting + 4 });
    const [one, two, three, four] = await mailQueue.take(NOW, LEASE_MS, 10);
    if (!one || !two || !three || !four) throw new Error('There are four');
    await mailQueue.settle(
      [
        { id: one.id, attempts: 1, kind: 'dead', error: '550 no' },
        { id: two.id, attempts: 1, kind: 'sent' },
        { id: three.id, attempts: 1, kind: 'waiting', dueAt: NOW, error: '451 later' },
        { id: four.id, attempts: 1, kind: 'withdrawn', error: 'session_closed' },
      ],
      NOW,
    );
    await mailQueue.settle([], NOW);
    expect(await mailQueue.counts()).toEqual({ waiting: before.waiting + 1, dead: before.dead + 1 });
    await sent(suite, await mailQueue.take(NOW, LEASE_MS, 10));
  });
}

async function sent({ mailQueue }: Suite, mails: readonly DueMail[]): Promise<void> {
  await mailQueue.settle(
    mails.map(({ id, attempts }) => ({ id, attempts, kind: 'sent' })),
    NOW,
  );
}
