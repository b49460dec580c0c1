import type { Participant } from '../../protocol/session.ts';

/** As many as will ever be told apart; those seen first are forgotten first. */
const CAPACITY = 500;

/** Names of everybody who was seen here: their messages stay when they leave. */
export class Names {
  /** Grows with every change. */
  version = 0;
  private readonly byId = new Map<string, string | null>();

  see({ id, name }: Pick<Participant, 'id' | 'name'>): void {
    if (this.byId.get(id) === name) return;
    this.byId.set(id, name);
    this.version += 1;
    const [first] = this.byId.keys();
    if (this.byId.size > CAPACITY && first !== undefined) this.byId.delete(first);
  }

  /** Null for one without a name, and for one that was never seen. */
  of(id: string): string | null {
    return this.byId.get(id) ?? null;
  }
}
