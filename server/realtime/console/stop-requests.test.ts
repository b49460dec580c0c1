import { EventEmitter } from 'node:events';
import { expect, it } from '@jest/globals';
import type { TandemServer } from '../connection.ts';
import { StopRequests } from './stop-requests.ts';

const NOW = 1_800_000_000_000;

function stage() {
  let now = NOW;
  const sent: unknown[][] = [];
  const stops: string[] = [];
  // Of the server only what instances say to each other is used.
  const io = Object.assign(new EventEmitter(), { serverSideEmit: (...args: unknown[]) => sent.push(args) });
  const requests = new StopRequests({
    io: io as unknown as TandemServer,
    instanceId: 'here',
    isShared: true,
    reporting: () => Promise.resolve(['here', 'there']),
    onStop: () => stops.push('stop'),
    now: () => now,
  });
  return { io, sent, stops, requests, advance: (ms: number) => (now += ms) };
}

it('a request to stop is carried out while somebody waits for the answer, and no later', async () => {
  const { io, sent, requests, advance } = stage();
  const asked = requests.ask('there');
  await Promise.resolve();
  const [event, instanceId, requestId, notAfter] = sent[0] ?? [];
  expect([event, instanceId]).toEqual(['instance:stop', 'there']);
  expect(notAfter).toBeGreaterThan(NOW);
  expect(notAfter).toBeLessThan(NOW + 3000);
  io.emit('instance:stopping', requestId);
  await asked;

  const other = stage();
  other.io.emit('instance:stop', 'there', 'request', notAfter);
  other.advance(Number(notAfter) - NOW + 1);
  other.io.emit('instance:stop', 'here', 'late', notAfter);
  other.io.emit('instance:stop', 'here', 'without a time');
  expect([other.stops, other.sent]).toEqual([[], []]);
  other.advance(-1);
  other.io.emit('instance:stop', 'here', 'in time', notAfter);
  expect(other.stops).toEqual(['stop']);
  expect(other.sent).toEqual([['instance:stopping', 'in time']]);
  expect(advance(0)).toBe(NOW);
});
