import { formatCode } from '../../client/index.ts';
import type { ConnectionState } from '../../client/index.ts';
import type { Phase, Wish } from '../page-seat.ts';
import { errorText } from '../error-texts.ts';
import { TEXTS } from '../texts.ts';
import { button, element, setText } from './dom.ts';

export interface OpeningView {
  readonly element: HTMLElement;
  update: (phase: Phase & { kind: 'opening' }, connection: ConnectionState, askedForMs: number) => void;
  focus: () => void;
}

const words = TEXTS.opening;
/** A server says nothing of whether the host decides; but what it decides itself hardly takes longer than this. */
const OWN_ANSWER_MS = 2_000;
/** Nor does the wait before a repetition, and the answer to that. */
const REPEATED_ANSWER_MS = 12_000;

/** What is seen between a click and the server's answer: nothing to do but to wait, or to give up. */
export function openingView(cancel: () => void): OpeningView {
  const heading = element('h1', { attributes: { tabindex: '-1' } });
  const trouble = element('p', { attributes: { role: 'status' } });
  const giveUp = button(TEXTS.cancel, 'secondary', cancel);
  return {
    element: element('section', { class: 'card opening' }, heading, trouble, giveUp),
    update: (phase, connection, askedForMs) => {
      setText(heading, headingText(phase.wish));
      // While there is no connection the status line says so.
      setText(trouble, connection.kind === 'online' ? troubleText(phase, askedForMs) : words.wait);
    },
    focus: () => heading.focus(),
  };
}

function headingText(wish: Wish): string {
  switch (wish.kind) {
    case 'create':
      return words.create;
    case 'join':
      return words.join(formatCode(wish.code));
    case 'take_over':
      return words.takeOver;
  }
}

function troubleText({ wish, error, isRepeated }: Phase & { kind: 'opening' }, askedForMs: number): string {
  const ownAnswerMs = isRepeated ? REPEATED_ANSWER_MS : OWN_ANSWER_MS;
  if (wish.kind === 'join' && askedForMs >= ownAnswerMs) return words.host;
  if (error !== null) return `${errorText(error)} ${words.again}`;
  return isRepeated ? words.noAnswer : words.wait;
}
