import type { LimitRule, LimitRules } from '../limits/limit-rules.ts';
import { limitInfo } from '../limits/limit-rules.ts';
import type { SlidingWindow } from '../limits/sliding-window.ts';
import { rateLimited } from '../sessions/refusals.ts';
import type { Connection } from './connection.ts';

type ConnectionWindow = 'commands' | 'messages' | 'signals';

/** So many refusals by limits, or packets that no client sends by mistake, within so long end a connection. */
const REFUSALS = { count: 100, windowMs: 10_000 };
/** Bad input counts for no limit; a connection that sends nothing else is none that anybody needs. */
const FAILURES = { count: 2000, windowMs: 10_000 };
const BAD_PACKETS = { count: 20, windowMs: 10_000 };

/** Limits that hold for one connection: it is on one instance, so they are counted here and nowhere else. */
export class ConnectionLimits {
  readonly #rules: Record<ConnectionWindow, LimitRule>;
  readonly #now: () => number;

  constructor(rules: LimitRules, now: () => number) {
    this.#rules = {
      commands: rules.commands_connection,
      messages: rules.messages_connection,
      signals: rules.signals_connection,
    };
    this.#now = now;
  }

  /** Takes a point. Throws `RATE_LIMITED`. Returns when it was taken, by which it can be given back. */
  reserve(connection: Connection, window: ConnectionWindow): number {
    const now = this.#now();
    const rule = this.#rules[window];
    if (rule.points === 0) return now;
    const waitMs = connection[window].refusalMs(rule, now);
    if (waitMs > 0) throw rateLimited(limitInfo(rule), waitMs);
    connection[window].take(now);
    return now;
  }

  giveBack(connection: Connection, window: ConnectionWindow, takenAt: number): void {
    connection[window].giveBack(takenAt);
  }

  /** Counts a refusal, by a limit or for any other reason; true when it was one too many. */
  isRefusedTooOften(connection: Connection, by: 'limit' | 'any'): boolean {
    return by === 'limit'
      ? this.#isOneTooMany(connection.refusals, REFUSALS)
      : this.#isOneTooMany(connection.failures, FAILURES);
  }

  /** Counts an over-deep packet or an unknown command; true when it was one too many. */
  isHostile(connection: Connection): boolean {
    return this.#isOneTooMany(connection.badPackets, BAD_PACKETS);
  }

  #isOneTooMany(window: SlidingWindow, { count, windowMs }: { count: number; windowMs: number }): boolean {
    const now = this.#now();
    window.take(now);
    return window.waitMs(count, windowMs, now) > 0;
  }
}
