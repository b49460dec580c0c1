import { TEXTS } from '../texts.ts';
import { openDialog } from './dialog.ts';
import { button, element } from './dom.ts';

export interface Question {
  readonly heading: string;
  /** What follows from it, one paragraph each. */
  readonly why: readonly string[];
  readonly yes: string;
}

/** Asks before something that cannot be undone. */
export function ask({ heading, why, yes }: Question, onYes: () => void): void {
  const stay = button(TEXTS.cancel, 'secondary', () => dialog.close());
  const go = button(yes, 'primary', () => {
    dialog.close();
    onYes();
  });
  const paragraphs = why.map((text) => element('p', { text }));
  const reasons = element('div', { id: 'reasons' }, ...paragraphs);
  const dialog = openDialog(heading, reasons, element('div', { class: 'row' }, stay, go));
  // Read out with the heading: the focus is on a button below it.
  dialog.setAttribute('aria-describedby', reasons.id);
}
