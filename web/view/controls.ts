import type { TandemSession } from '../../client/index.ts';
import { TEXTS } from '../texts.ts';
import { ask } from './ask.ts';
import { button, element, setText, show } from './dom.ts';
import { handOver } from './hand-over.ts';

export interface Commands {
  run: (command: (session: TandemSession) => Promise<void>) => void;
  leave: () => void;
  answerKnock: (knockId: string, admit: boolean) => void;
}

export interface ControlsView {
  readonly element: HTMLElement;
  update: (session: TandemSession) => void;
}

const words = TEXTS.panel;

/** What somebody can do with the session and with the own seat. */
export function controlsView(commands: Commands): ControlsView {
  let current: TandemSession | null = null;
  const lock = button(words.lock, 'secondary', () => {
    const isLocked = current?.info.locked === true;
    commands.run((session) => session.lock(!isLocked));
  });
  const toDevice = button(words.handOver, 'secondary', () => {
    if (current !== null) handOver(current);
  });
  const end = button(words.end, 'secondary', () => {
    const { end: heading, endWhy, endYes } = TEXTS.ask;
    ask({ heading, why: [endWhy], yes: endYes }, () => commands.run((session) => session.closeSession()));
  });
  const leave = button(words.leave, 'secondary', () => {
    if (current !== null) askToLeave(current, commands.leave);
  });
  const locked = element('p', { class: 'hint', text: words.isLocked });
  return {
    element: element('div', { class: 'controls' }, locked, lock, toDevice, end, leave),
    update: (session) => {
      current = session;
      const { info, isHost } = session;
      const isFull = info.participants.length >= info.capacity;
      setText(lock, info.locked ? words.unlock : words.lock);
      show(lock, isHost);
      // With free seats the invitation says so.
      show(locked, info.locked && isFull);
      show(end, isHost && info.participants.length > 1);
    },
  };
}

function askToLeave(session: TandemSession, leave: () => void): void {
  const { leave: heading, leaveWhy, leaveUnsent, leaveYes } = TEXTS.ask;
  const unsent = session.queue.length;
  ask({ heading, why: unsent === 0 ? [leaveWhy] : [leaveUnsent(unsent), leaveWhy], yes: leaveYes }, leave);
}
