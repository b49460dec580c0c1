/** A run of seqs, both ends included. */
export interface SeqRange {
  readonly fromSeq: number;
  readonly toSeq: number;
}

/** Runs of seqs, ascending and apart. */
export class SeqRanges {
  private ranges: readonly SeqRange[] = [];

  get all(): readonly SeqRange[] {
    return this.ranges;
  }

  add(range: SeqRange): void {
    const merged: SeqRange[] = [];
    for (const next of [...this.ranges, range].sort((a, b) => a.fromSeq - b.fromSeq)) {
      const last = merged.at(-1);
      if (last === undefined || next.fromSeq > last.toSeq + 1) merged.push(next);
      else merged.splice(-1, 1, { fromSeq: last.fromSeq, toSeq: Math.max(last.toSeq, next.toSeq) });
    }
    this.ranges = merged;
  }

  remove(seq: number): void {
    this.ranges = this.ranges.flatMap((range) => without(range, seq));
  }

  removeAbove(seq: number): void {
    this.ranges = this.ranges.flatMap(({ fromSeq, toSeq }) =>
      fromSeq > seq ? [] : [{ fromSeq, toSeq: Math.min(toSeq, seq) }],
    );
  }
}

function without({ fromSeq, toSeq }: SeqRange, seq: number): SeqRange[] {
  if (seq < fromSeq || seq > toSeq) return [{ fromSeq, toSeq }];
  return [
    { fromSeq, toSeq: seq - 1 },
    { fromSeq: seq + 1, toSeq },
  ].filter((part) => part.fromSeq <= part.toSeq);
}
