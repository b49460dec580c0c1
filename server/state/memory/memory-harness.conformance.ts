import type { Message } from '../../../protocol/session.ts';
import { expect } from '@jest/globals';
import type { Recovery } from '../../sessions/ports.ts';
import { MemoryLimits } from './memory-limits.ts';
import { MemoryState } from './memory-state.ts';
import type { Delivery, Harness, HarnessOptions } from '../state.conformance.ts';
import { Recorder, type RecorderFailure } from './recorder.conformance.ts';

const START = Date.parse('2026-01-31T12:00:00.000Z');

/** The in-process state over a recorder. */
export class MemoryHarness implements Harness {
  readonly deliveries: Delivery[] = [];
  readonly recoveries: Recovery[] = [];
  readonly faults: unknown[] = [];
  state: MemoryState;
  recorder = new Recorder();
  readonly #options: HarnessOptions;
  readonly #maxBacklog: number | undefined;
  #now = START;

  constructor(options: HarnessOptions, maxBacklog?: number) {
    this.#options = options;
    this.#maxBacklog = maxBacklog;
    this.state = this.#openState();
  }

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }

  holdCommits(): void {
    this.recorder.hold();
  }

  commitHeld(): Promise<void> {
    return this.recorder.held();
  }

  releaseCommits(): void {
    this.recorder.release();
  }

  failNextCommit(failure: RecorderFailure): void {
    this.recorder.failNext(failure);
  }

  /** What is visible here is archived. */
  archive(): Promise<void> {
    return Promise.resolve();
  }

  async restart(): Promise<void> {
    const [old, killed] = [this.state, this.recorder];
    this.recorder = killed.copy();
    this.state = this.#openState();
    await this.state.start();
    // What the killed process still had on its way goes into a store that nobody reads any more.
    killed.release();
    await old.stop();
    expect(killed.divergences).toEqual([]);
  }

  async close(): Promise<void> {
    await this.state.stop();
    expect(this.recorder.divergences).toEqual([]);
  }

  #openState(): MemoryState {
    const { recorder } = this;
    const state: MemoryState = new MemoryState({
      durable: recorder,
      onMessage: (message, sender) => {
        if (this.recorder === recorder) this.deliveries.push({ message: JSON.parse(message.json) as Message, sender });
      },
      onRecovered: (recovery) => this.recoveries.push(recovery),
      limits: new MemoryLimits(() => this.#now),
      ...this.#options,
      now: () => this.#now,
      onFault: (error) => this.faults.push(error),
      ...(this.#maxBacklog === undefined ? {} : { maxBacklog: this.#maxBacklog }),
    });
    return state;
  }
}

export async function openMemoryHarness(options: HarnessOptions, maxBacklog?: number): Promise<MemoryHarness> {
  const harness = new MemoryHarness(options, maxBacklog);
  await harness.state.start();
  return harness;
}
