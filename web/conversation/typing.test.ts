import { describe, expect, it } from '@jest/globals';
import { TYPING_LASTS_MS, TYPING_REPEAT_MS, TypingReader, TypingWriter } from './typing.ts';

describe('the one who types', () => {
  it('tells it at most every two seconds, and once that it has ended', () => {
    let time = 0;
    const told: boolean[] = [];
    const writer = new TypingWriter(
      (isTyping) => told.push(isTyping),
      () => time,
    );
    for (let letter = 1; letter <= 50; letter++) {
      writer.changed('x'.repeat(letter));
      time += 100;
    }
    expect(told).toEqual([true, true, true]);
    writer.stop();
    writer.stop();
    expect(told).toEqual([true, true, true, false]);
  });

  it('tells at once of the next one after a sending', () => {
    const told: boolean[] = [];
    const writer = new TypingWriter(
      (isTyping) => told.push(isTyping),
      () => 0,
    );
    writer.changed('a');
    writer.stop();
    writer.changed('b');
    writer.changed('bc');
    expect(told).toEqual([true, false, true]);
  });

  it('tells nothing of blanks, and the end when all is deleted', () => {
    let time = 0;
    const told: boolean[] = [];
    const writer = new TypingWriter(
      (isTyping) => told.push(isTyping),
      () => time,
    );
    writer.changed('  ');
    expect(told).toEqual([]);
    writer.changed('a');
    writer.changed('');
    writer.changed('b');
    expect(told).toEqual([true, false]);
    time += TYPING_REPEAT_MS;
    writer.changed('bc');
    expect(told).toEqual([true, false, true]);
  });
});

describe('the one who reads', () => {
  it('sees who types until they stop, or nothing is heard any more', () => {
    let time = 0;
    const reader = new TypingReader(() => time);
    expect(reader.nextEndMs).toBeNull();
    reader.heard('bob', true);
    time += 1_000;
    reader.heard('eve', true);
    expect(reader.typing()).toEqual(['bob', 'eve']);
    reader.heard('eve', false);
    time += TYPING_LASTS_MS - 1_001;
    expect(reader.typing()).toEqual(['bob']);
    expect(reader.nextEndMs).toBe(1);
    time += 1;
    expect(reader.typing()).toEqual([]);
  });
});
