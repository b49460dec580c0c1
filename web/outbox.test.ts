import { describe, expect, it } from '@jest/globals';
import { Outbox, OUTBOX_CAPACITY } from './outbox.ts';

const unsent = (id: string): { id: string; type: string; body: string } => ({
  id,
  type: 'text',
  body: `body of ${id}`,
});
const refused = { code: 'INVALID_PAYLOAD', message: 'too long', retryable: false } as const;

function outboxOf(...ids: string[]): Outbox {
  const outbox = new Outbox();
  for (const id of ids) outbox.add(unsent(id));
  return outbox;
}

const ids = (outbox: Outbox): string[] => outbox.entries.map(({ id }) => id);

describe('the outbox', () => {
  it('gives out its entries in the order of writing, one until it is settled', () => {
    const outbox = outboxOf('a', 'b');
    expect(outbox.next?.id).toBe('a');
    const first = outbox.find('a');
    if (first !== undefined) first.state = { kind: 'sending' };
    expect(outbox.next?.id).toBe('a');
    outbox.remove('a');
    expect(outbox.next?.id).toBe('b');
    outbox.remove('b');
    expect(outbox.next).toBeUndefined();
  });

  it('keeps an entry that was refused for good in sight, and goes on with the next', () => {
    const outbox = outboxOf('a', 'b');
    const first = outbox.find('a');
    if (first !== undefined) first.state = { kind: 'failed', error: refused };
    expect(outbox.next?.id).toBe('b');
    expect(ids(outbox)).toEqual(['a', 'b']);
  });

  it('puts lost messages back in front, in their order and once', () => {
    const outbox = outboxOf('c', 'd');
    outbox.putBack([unsent('a'), unsent('b'), unsent('c')]);
    expect(ids(outbox)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('holds an id once', () => {
    expect(ids(outboxOf('a', 'a'))).toEqual(['a']);
  });

  it('says when it is full', () => {
    const outbox = outboxOf(...Array.from({ length: OUTBOX_CAPACITY - 1 }, (_, index) => `id-${index}`));
    expect(outbox.isFull).toBe(false);
    outbox.add(unsent('last'));
    expect(outbox.isFull).toBe(true);
  });

  it('hands a reload all that its writer has not seen the end of, under the same ids', () => {
    const outbox = outboxOf('a', 'b');
    const first = outbox.find('a');
    if (first !== undefined) first.state = { kind: 'failed', error: refused };
    expect(outbox.unsent()).toEqual([unsent('a'), unsent('b')]);
  });
});
