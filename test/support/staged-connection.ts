import { expect, jest } from '@jest/globals';
import { systemClock } from '../../client/clock.ts';
import { Connection } from '../../client/connection.ts';
import type { Outcome } from '../../client/connection.ts';
import type { ClientOptions, ConnectionState } from '../../client/types.ts';
import type { HandshakeAuth } from '../../protocol/commands.ts';
import { TandemError } from '../../protocol/errors.ts';
import type { ErrorCode } from '../../protocol/errors.ts';
import { FakeNetwork } from './fake-socket.ts';

/** A connection on a network of the test, in time that jest passes. Waits are half of the longest they may be. */
export class StagedConnection {
  readonly network = new FakeNetwork();
  /** What the handlers were told, in order. */
  told: string[] = [];
  onChange: (state: ConnectionState) => void = () => undefined;
  resume: HandshakeAuth['resume'];
  connection: Connection;

  constructor() {
    this.connection = this.stage();
  }

  /** Another connection in its place, with a hook for the token. */
  stage(token?: ClientOptions['token']): Connection {
    this.connection = new Connection(
      { url: 'http://there', token, openSocket: this.network.open, clock: systemClock, random: () => 0.5 },
      {
        resume: () => this.resume,
        opened: () => this.told.push('opened'),
        lost: () => this.told.push('lost'),
        refused: ({ code }) => this.told.push(`refused ${code}`),
        ended: (reason) => this.told.push(`ended ${reason}`),
        event: (name) => this.told.push(name),
        changed: (state) => {
          this.told.push(state.kind);
          this.onChange(state);
        },
      },
    );
    return this.connection;
  }

  async goOnline(): Promise<void> {
    this.connection.start();
    await settled();
    this.network.newest.tell.opened();
    this.told = [];
  }

  /** That the next attempt comes after exactly this long. */
  async expectAttemptAfter(waitMs: number): Promise<void> {
    const before = this.network.sockets.length;
    await jest.advanceTimersByTimeAsync(waitMs - 1);
    expect(this.network.sockets).toHaveLength(before);
    await jest.advanceTimersByTimeAsync(1);
    expect(this.network.sockets).toHaveLength(before + 1);
  }

  /** Asks for something, and keeps what comes of it. */
  ask(): Outcome<'activity:report'>[] {
    const outcomes: Outcome<'activity:report'>[] = [];
    void this.connection.request('activity:report', { state: 'idle' }).then((outcome) => outcomes.push(outcome));
    return outcomes;
  }
}

/** Until promises that wait for nothing else have run. */
export async function settled(): Promise<void> {
  await jest.advanceTimersByTimeAsync(0);
}

export function refusal(code: ErrorCode, retryAfterMs?: number): unknown {
  return new TandemError(code, 'no', retryAfterMs === undefined ? {} : { retryAfterMs }).toWire();
}
