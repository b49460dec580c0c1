import { describe, expect, it } from '@jest/globals';
import type { Message } from '../protocol/session.ts';
import { MessageLog } from './message-log.ts';

function message(seq: number, id = `message-${seq}`, from = 'peer'): Message {
  return { id, seq, sessionId: 's', from, type: 'text', body: `body ${seq}`, sentAt: '2026-01-31T12:00:00.000Z' };
}

function logOf(...seqs: number[]): MessageLog {
  const log = new MessageLog();
  for (const seq of seqs) log.add(message(seq));
  return log;
}

const seqs = (log: MessageLog): number[] => log.messages.map(({ seq }) => seq);

describe('the message log', () => {
  it('shows each message once and in the order of seq, however they arrive', () => {
    const log = logOf(2, 1, 4, 2, 3, 1);
    expect(seqs(log)).toEqual([1, 2, 3, 4]);
    expect(log.add(message(3))).toBe(false);
    expect(log.lastSeq).toBe(4);
    expect(log.lastId).toBe('message-4');
    expect(log.isBehind).toBe(false);
  });

  it('stops lastSeq at a hole, and knows that it is behind', () => {
    const log = logOf(1, 2, 5);
    expect(log.lastSeq).toBe(2);
    expect(log.lastId).toBe('message-2');
    expect(log.isBehind).toBe(true);
  });

  it('notices a lost tail from the head of the session', () => {
    const log = logOf(1, 2);
    log.noteHead(3);
    expect(log.isBehind).toBe(true);
    log.add(message(3));
    expect(log.isBehind).toBe(false);
  });

  it('does not wait for messages from before the seat was taken', () => {
    const log = new MessageLog();
    log.startAfter(7);
    expect(log.lastSeq).toBe(7);
    expect(log.lastId).toBeUndefined();
    log.add(message(8));
    expect(log.lastSeq).toBe(8);
    expect(log.isBehind).toBe(false);
  });

  it('goes on past a gap that was announced, and keeps it', () => {
    const log = logOf(1, 2, 6);
    log.noteGap({ fromSeq: 3, toSeq: 5 });
    expect(log.lastSeq).toBe(6);
    expect(log.gaps).toEqual([{ fromSeq: 3, toSeq: 5 }]);
  });

  it('does not jump over a hole in front of an announced gap', () => {
    const log = logOf(1);
    log.noteGap({ fromSeq: 4, toSeq: 5 });
    expect(log.lastSeq).toBe(1);
    expect(log.isBehind).toBe(true);
    log.add(message(2));
    log.addPage(2, [message(3)], 3);
    log.addPage(3, [], 5);
    expect(log.lastSeq).toBe(5);
    expect(log.isBehind).toBe(false);
    expect(log.gaps).toEqual([{ fromSeq: 4, toSeq: 5 }]);
  });

  it('fills a hole from a page of history, and takes what the page lacks for gone', () => {
    const log = logOf(1, 2, 9);
    log.addPage(2, [message(4), message(5), message(9)], 9);
    expect(seqs(log)).toEqual([1, 2, 4, 5, 9]);
    expect(log.gaps).toEqual([
      { fromSeq: 3, toSeq: 3 },
      { fromSeq: 6, toSeq: 8 },
    ]);
    expect(log.lastSeq).toBe(9);
  });

  it('takes a message in that was believed to be gone', () => {
    const log = logOf(1);
    log.noteGap({ fromSeq: 2, toSeq: 4 });
    expect(log.add(message(3))).toBe(true);
    expect(log.gaps).toEqual([
      { fromSeq: 2, toSeq: 2 },
      { fromSeq: 4, toSeq: 4 },
    ]);
    expect(log.lastSeq).toBe(4);
  });

  it('does not announce the same gap twice', () => {
    const log = logOf(1);
    log.noteGap({ fromSeq: 2, toSeq: 4 });
    log.noteGap({ fromSeq: 2, toSeq: 4 });
    log.addPage(1, [], 4);
    expect(log.gaps).toEqual([{ fromSeq: 2, toSeq: 4 }]);
  });

  it('rewinds to what the store still has, and hands out what it dropped', () => {
    const log = logOf(1, 2, 3, 4);
    log.noteGap({ fromSeq: 5, toSeq: 6 });
    expect(log.rewind(2).map(({ seq }) => seq)).toEqual([3, 4]);
    expect(log.lastSeq).toBe(2);
    expect(log.gaps).toEqual([]);
    expect(log.isBehind).toBe(false);
    log.add(message(3, 'another'));
    expect(log.lastId).toBe('another');
  });

  it('forgets the oldest messages beyond its bound, but none that it may have to send again', () => {
    const log = logOf(1, 2, 3, 4, 5);
    expect(log.keepNewest(2, 2)).toBe(true);
    expect(seqs(log)).toEqual([3, 4, 5]);
    expect(log.keepNewest(2, 2)).toBe(false);
    expect(log.add(message(1))).toBe(false);
    expect(log.lastSeq).toBe(5);
  });

  it('tells messages of different senders with the same id apart', () => {
    const log = new MessageLog();
    log.add(message(1, 'same-id-', 'a'));
    expect(log.has('a', 'same-id-')).toBe(true);
    expect(log.has('b', 'same-id-')).toBe(false);
  });
});
