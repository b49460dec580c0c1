import type { SessionEvents, SessionState } from '../../server/sessions/ports.ts';
import type { SimulatedDurable } from './stepped-store.ts';

/** What stands between a part and what it relies on: a rule that is broken on purpose. */
export interface Mutation {
  readonly durable?: (durable: SimulatedDurable) => SimulatedDurable;
  readonly state?: (state: SessionState) => SessionState;
  readonly events?: (events: SessionEvents) => SessionEvents;
}
