import type { Message } from '../../protocol/session.ts';
import type { ClientRecord, Entry } from './record.ts';

export type OkEntry = Extract<Entry, { kind: 'ok' }>;

/** What one client holds to be true at the end of its record, and where its record contradicts itself. */
export interface ClientView {
  /** Numbers and ids that the client knows; the content where it saw it. */
  readonly known: ReadonlyMap<number, { readonly id: string; readonly message: Message | null }>;
  /** Numbers of which it was told that they exist nowhere. */
  readonly gaps: ReadonlySet<number>;
  /** Acknowledgements that no reset made void. */
  readonly acknowledged: readonly OkEntry[];
  /** Lowest seq up to which everything that it ever knew has stayed: Infinity without a reset. */
  readonly resetAfterSeq: number;
  readonly contradictions: readonly string[];
}

/** Follows the record of a client through its resets. */
export function viewOf(record: ClientRecord): ClientView {
  const known = new Map<number, { id: string; message: Message | null }>();
  const gaps = new Set<number>();
  const contradictions: string[] = [];
  let acknowledged: OkEntry[] = [];
  let resetAfterSeq = Infinity;
  let epoch: number | null = null;

  const learn = (seq: number, id: string, message: Message | null): void => {
    const before = known.get(seq);
    if (before !== undefined && before.id !== id) {
      contradictions.push(`${record.client} knew ${before.id} as number ${seq}, and then ${id}`);
    }
    const seen = before?.message ?? null;
    if (seen !== null && message !== null && !isSame(seen, message)) {
      contradictions.push(`${record.client} saw number ${seq} with two contents`);
    }
    known.set(seq, { id, message: message ?? seen });
  };

  for (const entry of record.entries) {
    if (entry.kind === 'seen') learn(entry.message.seq, entry.message.id, entry.message);
    else if (entry.kind === 'gap') {
      for (let seq = entry.fromSeq; seq <= entry.toSeq; seq += 1) gaps.add(seq);
    } else if (entry.kind === 'ok') {
      // One that was on its way when the client learnt of a rebuilt store is void already.
      if (epoch !== null && entry.epoch < epoch) continue;
      learn(entry.seq, entry.id, null);
      acknowledged.push(entry);
    } else if (entry.kind === 'resumed') epoch = entry.epoch;
    else if (entry.kind === 'reset') {
      const { afterSeq } = entry;
      epoch = entry.epoch;
      resetAfterSeq = Math.min(resetAfterSeq, afterSeq);
      acknowledged = acknowledged.filter(({ seq }) => seq <= afterSeq);
      for (const seq of known.keys()) if (seq > afterSeq) known.delete(seq);
      for (const seq of gaps) if (seq > afterSeq) gaps.delete(seq);
    }
  }
  return { known, gaps, acknowledged, resetAfterSeq, contradictions };
}

export function isSame(one: Message, other: Message): boolean {
  return (
    one.seq === other.seq &&
    one.id === other.id &&
    one.from === other.from &&
    one.type === other.type &&
    one.sentAt === other.sentAt &&
    JSON.stringify(one.body) === JSON.stringify(other.body)
  );
}
