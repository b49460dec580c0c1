import type { Participant, Session } from '../../protocol/session.ts';
import { visibleText } from '../conversation/visible-text.ts';
import { ask } from '../view/ask.ts';
import { button, element, setText, show } from '../view/dom.ts';
import { failureText } from './failure-text.ts';
import { participantNames, unknownName } from './participant-names.ts';
import { participantsView } from './participants-view.ts';
import type { Left } from './participants-view.ts';
import { fragmentOf } from './route.ts';
import { screenHeading } from './screen.ts';
import type { Desk, Screen } from './screen.ts';
import { sessionFacts } from './session-facts.ts';
import { CONSOLE_TEXTS } from './texts.ts';
import { timelineView } from './timeline-view.ts';

const REFRESH_MS = 3_000;

/** One session in depth; it is looked up again and again while somebody can see it. */
export function sessionView(desk: Desk): Screen<string> {
  const heading = screenHeading(CONSOLE_TEXTS.session);
  const title = element('p', { class: 'id session-id' });
  const fault = element('p', { class: 'fault', attributes: { role: 'alert' } });
  const loading = element('p', { class: 'hint', text: CONSOLE_TEXTS.loading });
  const facts = element('dl', { class: 'facts-list' });
  const metadata = element('pre', {
    class: 'metadata',
    attributes: { tabindex: '0', role: 'region', 'aria-label': 'Metadata' },
  });
  const noMetadata = element('p', { class: 'hint', text: 'None.' });
  let names = new Map<string, string>();
  const nameOf = (id: string): string => names.get(id) ?? unknownName(id);
  const timeline = timelineView(desk, nameOf);
  const participants = participantsView((participant) => void kick(participant));
  const close = button(CONSOLE_TEXTS.close.button, 'secondary', () => {
    const { question, why, yes } = CONSOLE_TEXTS.close;
    ask({ heading: question, why: [why], yes }, () => void closeSession());
  });
  const content = element(
    'div',
    { class: 'session-parts' },
    element('section', { class: 'part wide' }, element('h2', { text: 'At a glance' }), facts, close),
    element('section', { class: 'part wide' }, element('h2', { text: 'Participants' }), participants.element),
    element('section', { class: 'part' }, element('h2', { text: 'Timeline' }), timeline.element),
    element('section', { class: 'part' }, element('h2', { text: 'Metadata' }), noMetadata, metadata),
  );
  let sessionId = '';
  let timer: ReturnType<typeof setTimeout> | undefined;

  const draw = (session: Session, left: readonly Left[]): void => {
    names = participantNames([...left.map(({ participant }) => participant), ...session.participants]);
    drawFacts(facts, session);
    participants.update(session, left, nameOf);
    timeline.draw();
    const isEmpty = Object.keys(session.metadata).length === 0;
    setText(metadata, isEmpty ? '' : visibleText(JSON.stringify(session.metadata, null, 2)));
    show(metadata, !isEmpty);
    show(noMetadata, isEmpty);
    show(close, session.status !== 'closed');
    show(content, true);
  };
  const load = async (): Promise<void> => {
    const own = sessionId;
    try {
      const { session, left } = await desk.ask('console:session', { sessionId: own });
      if (own !== sessionId) return;
      draw(session, left);
      setText(fault, '');
    } catch (error) {
      if (own !== sessionId) return;
      setText(fault, failureText(error));
    }
    show(loading, false);
  };
  const refresh = async (): Promise<void> => {
    clearTimeout(timer);
    const own = sessionId;
    await Promise.all([load(), timeline.refresh()]);
    if (own !== '' && own === sessionId) plan();
  };
  /** Nobody sees a tab that is in the background; it is looked up when it comes back. */
  const plan = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (document.visibilityState === 'visible') void refresh();
    }, REFRESH_MS);
  };
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible' && sessionId !== '') void refresh();
  });
  const closeSession = async (): Promise<void> => {
    const isDone = await desk.run(() => desk.ask('console:close', { sessionId }), CONSOLE_TEXTS.close.done);
    await refresh();
    // The button is gone, and the focus would be nowhere.
    if (isDone) heading.focus();
  };
  const kick = async (participant: Participant): Promise<void> => {
    const done = CONSOLE_TEXTS.kick.done(nameOf(participant.id));
    const isDone = await desk.run(() => desk.ask('console:kick', { sessionId, participantId: participant.id }), done);
    await refresh();
    if (isDone) heading.focus();
  };
  return {
    heading,
    element: element(
      'section',
      { class: 'session' },
      element(
        'p',
        { class: 'back' },
        element('a', { text: '\u2190 All sessions', attributes: { href: fragmentOf({ kind: 'sessions' }) } }),
      ),
      heading,
      title,
      fault,
      loading,
      content,
    ),
    open: (id) => {
      sessionId = id;
      names = new Map();
      setText(title, id);
      setText(fault, '');
      show(loading, true);
      show(content, false);
      timeline.open(id);
      void refresh();
    },
    close: () => {
      sessionId = '';
      clearTimeout(timer);
    },
  };
}

function drawFacts(list: HTMLElement, session: Session): void {
  sessionFacts(session).forEach(([name, value], place) => {
    const present = list.children[place]?.lastElementChild;
    if (present instanceof HTMLElement) setText(present, value);
    else list.append(element('div', {}, element('dt', { text: name }), element('dd', { text: value })));
  });
}
