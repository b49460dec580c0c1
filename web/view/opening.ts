import { formatCode } from '../code.ts';
import type { Link } from '../connection.ts';
import type { Phase } from '../session-client.ts';
import { errorText, TEXTS } from '../texts.ts';
import { button, element, setText } from './dom.ts';

export interface OpeningView {
  readonly element: HTMLElement;
  update: (phase: Phase & { kind: 'opening' | 'returning' }, link: Link) => void;
  focus: () => void;
}

const words = TEXTS.opening;

/** What is seen between a click and the server's answer: nothing to do but to wait, or to give up. */
export function openingView(cancel: () => void): OpeningView {
  const heading = element('h1', { attributes: { tabindex: '-1' } });
  const trouble = element('p', { attributes: { 'aria-live': 'polite' } });
  const giveUp = button(words.cancel, 'secondary', cancel);
  return {
    element: element('section', { class: 'card opening' }, heading, trouble, giveUp),
    update: (phase, link) => {
      setText(heading, headingText(phase));
      setText(giveUp, phase.kind === 'opening' ? words.cancel : words.giveUpSeat);
      // While there is no connection the status line says so.
      setText(trouble, phase.kind === 'opening' && link.kind === 'online' ? troubleText(phase) : '');
    },
    focus: () => heading.focus(),
  };
}

function headingText(phase: Phase & { kind: 'opening' | 'returning' }): string {
  if (phase.kind === 'returning') return words.returning;
  return phase.wish.command === 'session:create' ? words.create : words.join(formatCode(phase.wish.code));
}

function troubleText({ error, isRepeated }: Phase & { kind: 'opening' }): string {
  if (error !== null) return errorText(error);
  return isRepeated ? words.noAnswer : '';
}
