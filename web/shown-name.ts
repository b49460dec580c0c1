import type { Participant } from '../client/index.ts';
import { visibleName } from './conversation/visible-text.ts';
import { TEXTS } from './texts.ts';

/** At least something to see: a name of blanks, controls and zero-width characters alone names nobody. */
const VISIBLE = /[^\p{C}\p{Z}\u115f\u1160\u2800\u3164\uffa0\p{Default_Ignorable_Code_Point}]/u;

/** A name as others may see it: whatever somebody calls himself, there is something to see, on one line. */
export function shownName(name: string | null, isSelf: boolean): string {
  const line = visibleName(name ?? '');
  if (VISIBLE.test(line)) return line;
  return isSelf ? TEXTS.panel.unnamedSelf : TEXTS.panel.unnamed;
}

/** A name within a sentence: isolated, so that one written from right to left does not turn the sentence. */
export function nameInSentence({ name }: Pick<Participant, 'name'>): string {
  return `\u2068${shownName(name, false)}\u2069`;
}
