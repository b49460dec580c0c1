import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TandemError } from '../../protocol/errors.ts';
import type { QueuedMessage } from '../../client/index.ts';
import { linesOf } from './lines.ts';
import { Transcript } from './transcript.ts';
import type { PageRequest, Saying } from './transcript.ts';

const error = new TandemError('UNAVAILABLE');

function saying(seq: number, part: Partial<Saying> = {}): Saying {
  const sentAt = new Date(Date.UTC(2026, 0, 1, 12) + seq * 1000).toISOString();
  return {
    seq,
    id: `message-${seq}`,
    from: 'bob',
    type: 'text',
    body: `${seq}`,
    sentAt,
    isOwn: false,
    unreadable: null,
    ...part,
  };
}

function own(seq: number, id = `message-${seq}`): Saying {
  return saying(seq, { id, from: 'ada', isOwn: true });
}

function queued(id: string): QueuedMessage {
  return { id, type: 'text', body: id, state: { kind: 'waiting' } };
}

function range(from: number, to: number): Saying[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_entry, index) => saying(from + index));
}

function seqs(transcript: Transcript): number[] {
  return transcript.sayings.map(({ seq }) => seq);
}

type Step =
  | { kind: 'say'; isOwn: boolean }
  | { kind: 'deliver' }
  | { kind: 'ask'; direction: 'older' | 'newer' }
  | { kind: 'answer' }
  | { kind: 'reset'; back: number }
  | { kind: 'write' }
  | { kind: 'store' }
  | { kind: 'fail' }
  | { kind: 'look'; isReadingBack: boolean }
  | { kind: 'jump' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('say' as const), isOwn: fc.boolean() }) },
  { weight: 6, arbitrary: fc.constant<Step>({ kind: 'deliver' }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      direction: fc.constantFrom('older' as const, 'newer' as const),
    }),
  },
  { weight: 4, arbitrary: fc.constant<Step>({ kind: 'answer' }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const), back: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.constant<Step>({ kind: 'write' }) },
  { weight: 2, arbitrary: fc.constant<Step>({ kind: 'store' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'fail' }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('look' as const), isReadingBack: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'jump' }) },
);

/** So few that most runs let messages go. */
const CAPACITY = 8;

/** A server, the library that hands its messages out in order, and the page that asks for history, in any interleaving. */
class World {
  readonly store: Saying[];
  readonly transcript: Transcript;
  /** Highest seq that was handed out. */
  handedOut: number;
  private readonly writing: string[] = [];
  private readonly asked: { request: PageRequest; snapshot: Saying[] }[] = [];
  private count = 0;

  constructor(before: number, handedOut: number) {
    this.store = range(1, before);
    this.handedOut = Math.min(handedOut, before);
    this.transcript = new Transcript(this.handedOut, CAPACITY);
  }

  run(next: Step): void {
    const { transcript, store } = this;
    switch (next.kind) {
      case 'say':
        store.push(next.isOwn ? own(store.length + 1, this.name()) : saying(store.length + 1, { id: this.name() }));
        return;
      case 'deliver':
        this.deliver();
        return;
      case 'ask': {
        const request = transcript.request(next.direction);
        if (request !== null) this.asked.push({ request, snapshot: [...store] });
        return;
      }
      case 'answer':
        this.answer();
        return;
      case 'reset':
        this.reset(next.back);
        return;
      case 'write':
        this.writing.push(this.name());
        transcript.setQueue(this.writing.map(queued));
        return;
      case 'store': {
        const id = this.writing.shift();
        if (id === undefined) return;
        store.push(own(store.length + 1, id));
        transcript.store({ id, seq: store.length, sentAt: saying(store.length).sentAt, duplicate: false });
        transcript.setQueue(this.writing.map(queued));
        return;
      }
      case 'fail': {
        const id = this.writing.shift();
        if (id === undefined) return;
        transcript.fail({ id, type: 'text', body: id, error });
        transcript.setQueue(this.writing.map(queued));
        return;
      }
      case 'look':
        transcript.isReadingBack = next.isReadingBack;
        return;
      case 'jump':
        transcript.restart();
    }
  }

  /** Everything arrives. */
  settle(): void {
    while (this.asked.length > 0) this.answer();
    while (this.handedOut < this.store.length) this.deliver();
  }

  /** The reader scrolls to one end; gives everything that was shown on the way. */
  scroll(direction: 'older' | 'newer'): Saying[] {
    const seen = new Map(this.transcript.sayings.map((entry) => [entry.seq, entry]));
    for (let request = this.transcript.request(direction); request !== null;) {
      this.asked.push({ request, snapshot: [...this.store] });
      this.answer();
      for (const entry of this.transcript.sayings) seen.set(entry.seq, entry);
      request = this.transcript.request(direction);
    }
    return [...seen.values()].sort((a, b) => a.seq - b.seq);
  }

  private deliver(): void {
    const next = this.store[this.handedOut];
    if (next === undefined) return;
    this.handedOut += 1;
    this.transcript.receive(next);
  }

  private answer(): void {
    const { request, snapshot } = this.asked.shift() ?? {};
    if (request === undefined || snapshot === undefined) return;
    const { kind, edge } = request;
    const there = snapshot.filter(({ seq }) => (kind === 'newer' ? seq > (edge ?? 0) : edge === null || seq < edge));
    const sayings = kind === 'newer' ? there.slice(0, 3) : there.slice(-3);
    this.transcript.addPage(request, { sayings, hasMore: there.length > sayings.length });
  }

  private reset(back: number): void {
    const afterSeq = Math.max(0, this.handedOut - back);
    this.store.splice(afterSeq);
    this.handedOut = afterSeq;
    this.transcript.reset(afterSeq);
  }

  private name(): string {
    this.count += 1;
    return `name-${this.count}`;
  }
}

describe('in any interleaving of pages, messages, resets and failures', () => {
  it('each seq is shown at most once and in order, and no line stands for two', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(20), fc.array(step, { maxLength: 60 }), (before, handedOut, steps) => {
        const world = new World(before, handedOut);
        for (const next of steps) {
          world.run(next);
          const shown = seqs(world.transcript);
          expect(shown).toEqual([...new Set(shown)].sort((a, b) => a - b));
          const keys = linesOf(world.transcript).map(({ key }) => key);
          expect(new Set(keys).size).toBe(keys.length);
          const ids = linesOf(world.transcript).flatMap((line) => ownIdOf(line));
          expect(new Set(ids).size).toBe(ids.length);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('after the last of it, scrolled to both ends, everything that the server has is shown and nothing else', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(20), fc.array(step, { maxLength: 60 }), (before, handedOut, steps) => {
        const world = new World(before, handedOut);
        for (const next of steps) world.run(next);
        world.settle();
        world.scroll('newer');
        expect(world.transcript.highest).toBe(world.store.length);
        expect(world.scroll('older')).toEqual(world.store);
        expect(world.transcript.lowest).toBe(Math.min(1, world.store.length));
        expect(world.scroll('newer')).toEqual(world.store);
        expect(world.transcript.missing).toEqual([]);
        expect(world.transcript.stored).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});

function ownIdOf(line: ReturnType<typeof linesOf>[number]): string[] {
  if (line.kind === 'saying') return line.saying.isOwn ? [line.saying.id] : [];
  if (line.kind === 'queued') return [line.queued.id];
  if (line.kind === 'failed') return [line.failed.id];
  return line.kind === 'stored' ? [line.stored.message.id] : [];
}
