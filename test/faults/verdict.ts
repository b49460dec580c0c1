/** What must hold after every fault. */
export const INVARIANTS = {
  I1: 'nothing acknowledged is missing',
  I2: 'no id and no seq twice',
  I3: 'seq is dense, and the order is the same for all',
  I4: 'every gap and every loss is announced',
  I5: 'no unplanned exit, bounded memory and event-loop lag',
  I6: 'every send is answered in time',
  I7: 'who was put out stays out',
  I8: 'Postgres equals the log',
  I9: 'limits hold within one burst',
  I10: 'clients, Redis and Postgres agree',
} as const;
export type Invariant = keyof typeof INVARIANTS;

/** What became of each message of the run: every message is counted once. */
export const FATES = ['ok', 'lost', 'duplicated', 'reordered', 'phantom', 'refused', 'unsettled'] as const;
export type Fate = (typeof FATES)[number];

/** Violations of one kind beyond so many are only counted: the first ones are those that explain the others. */
const SHOWN = 10;

/** What the checker found. */
export class Verdict {
  readonly fates: Record<Fate, number> = {
    ok: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    phantom: 0,
    refused: 0,
    unsettled: 0,
  };
  readonly #examined = new Map<Invariant, number>();
  readonly #violations = new Map<Invariant, string[]>();

  /** Looks at one fact. */
  examine(invariant: Invariant, holds: boolean, violation: () => string): void {
    this.#examined.set(invariant, this.examined(invariant) + 1);
    if (holds) return;
    const violations = this.#violations.get(invariant);
    if (violations === undefined) this.#violations.set(invariant, [violation()]);
    else violations.push(violation());
  }

  /** Takes over what another one found. */
  add(other: Verdict): void {
    for (const fate of FATES) this.fates[fate] += other.fates[fate];
    for (const invariant of invariants()) {
      this.#examined.set(invariant, this.examined(invariant) + other.examined(invariant));
      const violations = other.violations(invariant);
      if (violations.length > 0) this.#violations.set(invariant, [...this.violations(invariant), ...violations]);
    }
  }

  /** How many facts were looked at: with none, that an invariant holds says nothing. */
  examined(invariant: Invariant): number {
    return this.#examined.get(invariant) ?? 0;
  }

  violations(invariant: Invariant): readonly string[] {
    return this.#violations.get(invariant) ?? [];
  }

  get broken(): Invariant[] {
    return invariants().filter((invariant) => this.violations(invariant).length > 0);
  }

  get isGood(): boolean {
    return this.broken.length === 0;
  }

  toString(): string {
    const fates = FATES.map((fate) => `${fate} ${this.fates[fate]}`).join(', ');
    return [`messages: ${fates}`, ...invariants().flatMap((invariant) => this.#lines(invariant))].join('\n');
  }

  #lines(invariant: Invariant): string[] {
    const violations = this.violations(invariant);
    const examined = this.examined(invariant);
    const start = `${invariant.padEnd(3)} ${INVARIANTS[invariant]}:`;
    if (examined === 0) return [`${start} not examined`];
    if (violations.length === 0) return [`${start} holds (${examined} examined)`];
    const more = violations.length > SHOWN ? [`      and ${violations.length - SHOWN} more`] : [];
    return [
      `${start} BROKEN (${violations.length} of ${examined})`,
      ...violations.slice(0, SHOWN).map((violation) => `      ${violation}`),
      ...more,
    ];
  }
}

function invariants(): Invariant[] {
  return Object.keys(INVARIANTS) as Invariant[]; // Object.keys forgets the type of the keys.
}
