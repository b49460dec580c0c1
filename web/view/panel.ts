import type { TandemError, TandemSession } from '../../client/index.ts';
import type { WaitingKnock } from '../knocks.ts';
import { commandFaultText } from '../error-texts.ts';
import { closedText, idleText, TEXTS } from '../texts.ts';
import { durationText } from '../time-texts.ts';
import { controlsView } from './controls.ts';
import type { Commands } from './controls.ts';
import { button, element, setText, show } from './dom.ts';
import { inviteView } from './invite.ts';
import { knocksView } from './knocks.ts';
import { peopleView } from './people.ts';

export interface PanelView {
  readonly element: HTMLElement;
  update: (
    session: TandemSession,
    waiting: readonly WaitingKnock[],
    fault: TandemError | null,
    isConnected: boolean,
  ) => void;
  /** For another session: what was unfolded folds up. */
  fold: () => void;
  focus: () => void;
}

const words = TEXTS.panel;

/** The session itself: who is there, how somebody gets in, what can be done with it. */
export function panelView(commands: Commands): PanelView {
  const heading = element('h1', { id: 'session-heading', attributes: { tabindex: '-1' } });
  const badge = element('p', { class: 'badge' });
  const state = element('p', { class: 'notice', attributes: { role: 'status' } });
  const fault = element('p', { class: 'fault', attributes: { role: 'alert' } });
  const idle = idleView(() => commands.run((session) => session.reportActivity('active')));
  const invite = inviteView(() => commands.run((session) => session.reopen()));
  const knocking = knocksView(commands.answerKnock, () => heading.focus());
  const people = peopleView(
    (participantId) => commands.run((session) => session.kick(participantId)),
    () => heading.focus(),
  );
  const controls = controlsView(commands);
  const back = button(words.backToStart, 'primary', commands.leave);
  const tools = element('div', { id: 'tools', class: 'tools' }, invite.element, controls.element);
  const more = button(words.more, 'quiet', () => unfold(more.getAttribute('aria-expanded') !== 'true'));
  more.classList.add('more');
  more.setAttribute('aria-controls', tools.id);
  const panel = element(
    'section',
    { class: 'panel', attributes: { 'aria-labelledby': heading.id } },
    element('div', { class: 'head' }, heading, badge),
    state,
    idle.element,
    knocking.log,
    knocking.element,
    people.element,
    more,
    fault,
    tools,
    back,
  );
  const unfold = (isOpen: boolean): void => {
    more.setAttribute('aria-expanded', `${isOpen}`);
    panel.dataset.tools = isOpen ? 'open' : 'folded';
  };
  unfold(false);

  return {
    element: panel,
    update: (session, waiting, failed, isConnected) => {
      const { info, isClosed } = session;
      const isOver = isClosed || session.ended !== null;
      const isWaiting = info.status === 'waiting' && !isOver;
      setText(heading, isWaiting ? TEXTS.invite.waiting : words.heading);
      setText(badge, badgeText(session.isEncrypted));
      show(badge, badge.textContent !== '');
      badge.dataset.encrypted = `${session.isEncrypted}`;
      setText(state, isClosed ? closedText(session.closeReason) : '');
      show(state, isClosed);
      setText(fault, failed === null ? '' : commandFaultText(failed));
      idle.update(isOver ? null : session.closesAt);
      knocking.update(session, waiting);
      people.update(session, isConnected && session.ended === null);
      show(people.element, !isClosed);
      invite.update(session);
      show(invite.element, info.participants.length < info.capacity);
      controls.update(session);
      show(tools, !isOver);
      show(more, !isOver && !isWaiting);
      show(back, isOver);
      // A seat that can be taken back is worth more than the start.
      back.className = session.ended?.canResume === true ? 'secondary' : 'primary';
    },
    fold: () => unfold(false),
    focus: () => heading.focus(),
  };
}

/** Nothing has happened for long, and how to say that somebody is here. */
function idleView(keepOpen: () => void): {
  readonly element: HTMLElement;
  update: (closesAt: string | null) => void;
} {
  const warning = element('span', { attributes: { role: 'status' } });
  const time = element('span', { class: 'wait', attributes: { role: 'timer' } });
  const text = element('p', {}, warning, document.createTextNode(' '), time);
  const idle = element('div', { class: 'notice idle' }, text, button(words.keepOpen, 'secondary', keepOpen));
  return {
    element: idle,
    update: (closesAt) => {
      setText(warning, closesAt === null ? '' : words.idleWarning);
      setText(time, closesAt === null ? '' : idleText(durationText(Date.parse(closesAt) - Date.now())));
      show(idle, closesAt !== null);
    },
  };
}

function badgeText(isEncrypted: boolean): string {
  if (isEncrypted) return words.encrypted;
  if (location.protocol === 'https:') return words.notEncrypted;
  // On this computer itself there is no way on which it could be read.
  return isSecureContext ? '' : words.notEncryptedHttp;
}
