/** What one check came to: a line for the operator. */
export type Verdict = 'ok' | 'warning' | 'failed';

export interface Finding {
  /** What was looked at, in one or two words; the same in every run. */
  readonly check: string;
  readonly verdict: Verdict;
  /** One sentence, without the value of any secret. */
  readonly found: string;
  /** What to do; null where there is nothing to do. */
  readonly advice: string | null;
}

export function ok(check: string, found: string): Finding {
  return { check, verdict: 'ok', found, advice: null };
}

export function warning(check: string, found: string, advice: string): Finding {
  return { check, verdict: 'warning', found, advice };
}

export function failed(check: string, found: string, advice: string): Finding {
  return { check, verdict: 'failed', found, advice };
}

/** Of a message that says both what is wrong and what to do, as those of the stores do: "what is; what to do". */
export function failedAs(check: string, message: string): Finding {
  const end = message.lastIndexOf('; ');
  if (end === -1) return failed(check, message, 'See docs/operations.md.');
  return failed(check, message.slice(0, end), message.slice(end + 2));
}
