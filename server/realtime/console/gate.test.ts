import { describe, expect, it } from '@jest/globals';
import type { TandemError } from '../../../protocol/errors.ts';
import { ConsoleGate } from './gate.ts';

const HERE = { address: '192.0.2.1', bucket: '192.0.2.1' };
const ELSEWHERE = { address: '192.0.2.2', bucket: '192.0.2.2' };

function stage(adminToken: string | null = 'the right one') {
  const waits: number[] = [];
  const wait = (ms: number) => Promise.resolve(waits.push(ms));
  return { gate: new ConsoleGate({ adminToken, now: () => 0, wait }), waits };
}

describe('the gate of the console', () => {
  it('answers wrong tokens of one address later and later, and the right one is let in', async () => {
    const { gate, waits } = stage();
    for (let guess = 0; guess < 8; guess += 1) {
      await expect(gate.pass({ token: `guess ${guess}` }, HERE)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 2000]);
    await gate.pass({ token: 'the right one' }, ELSEWHERE);
    expect(waits).toHaveLength(5);
    await gate.pass({ token: 'the right one' }, HERE);
    await gate.pass({ token: 'the right one' }, HERE);
    expect(waits).toHaveLength(6);
  });

  it('looks at the tokens of one address one after the other, however many come at once', async () => {
    const waits: (() => void)[] = [];
    const wait = () => new Promise<void>((resolve) => void waits.push(resolve));
    const gate = new ConsoleGate({ adminToken: 'the right one', now: () => 0, wait });
    const codes: string[] = [];
    const guesses = Array.from({ length: 20 }, (_, guess) =>
      gate.pass({ token: `guess ${guess}` }, HERE).catch((error: unknown) => codes.push((error as TandemError).code)),
    );
    await guesses[2];
    await gate.pass({ token: 'the right one' }, ELSEWHERE);
    // Three are free; the fourth waits, and the others were not looked at.
    expect(waits).toHaveLength(1);
    waits[0]?.();
    await Promise.all(guesses);
    expect(codes.filter((code) => code === 'UNAUTHENTICATED')).toHaveLength(4);
    expect(codes.filter((code) => code === 'UNAVAILABLE')).toHaveLength(16);
    const right = gate.pass({ token: 'the right one' }, HERE);
    const wrong = gate.pass({ token: 'wrong' }, HERE);
    const refused = expect(wrong).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await Promise.resolve();
    expect(waits).toHaveLength(2);
    waits[1]?.();
    await right;
    await refused;
    // After the right one, typing it wrong costs nothing again.
    expect(waits).toHaveLength(2);
  });

  it.each([[null], [undefined], [{}], [{ token: '' }]])('lets nobody in with %j', async (auth) => {
    await expect(stage().gate.pass(auth, HERE)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(stage(null).gate.pass(auth, HERE)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it.each([[[]], ['the right one'], [{ token: null }], [{ token: ['the right one'] }], [{ token: 'a', more: 1 }]])(
    'knows no handshake like %j',
    async (auth) => {
      await expect(stage().gate.pass(auth, HERE)).rejects.toMatchObject({ code: 'INVALID_PAYLOAD' });
    },
  );
});
