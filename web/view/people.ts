import type { Participant, TandemSession } from '../../client/index.ts';
import { nameInSentence, shownName } from '../shown-name.ts';
import { TEXTS } from '../texts.ts';
import { ask } from './ask.ts';
import { button, element, setText, show } from './dom.ts';

export interface PeopleView {
  readonly element: HTMLElement;
  /** `isKnown`: the server tells who is there at the moment. */
  update: (session: TandemSession, isKnown: boolean) => void;
}

interface Line {
  readonly element: HTMLLIElement;
  update: (participant: Participant, session: TandemSession, isKnown: boolean) => void;
}

const words = TEXTS.panel;

/** Who is there. `lostFocus` is called when the line that had the focus has gone. */
export function peopleView(kick: (participantId: string) => void, lostFocus: () => void): PeopleView {
  const heading = element('h2', { id: 'people-heading', text: words.participants });
  const list = element('ul', { class: 'people', attributes: { 'aria-labelledby': heading.id } });
  const lines = new Map<string, Line>();
  return {
    element: element('div', { class: 'crowd' }, heading, list),
    update: (session, isKnown) => {
      const { participants } = session.info;
      for (const [id, line] of lines) {
        if (participants.some((participant) => participant.id === id)) continue;
        const hadFocus = line.element.contains(document.activeElement);
        line.element.remove();
        lines.delete(id);
        if (hadFocus) lostFocus();
      }
      for (const participant of participants) {
        const line = lines.get(participant.id) ?? personLine(participant, kick);
        line.update(participant, session, isKnown);
        if (lines.has(participant.id)) continue;
        lines.set(participant.id, line);
        list.append(line.element);
      }
    },
  };
}

function personLine({ id }: Participant, kick: (participantId: string) => void): Line {
  // Isolated, so that a name that is written from right to left does not turn what stands beside it.
  const name = element('bdi', { class: 'name' });
  const facts = element('span', { class: 'facts' });
  let inSentence = '';
  const remove = button(words.kickShort, 'quiet', () => {
    const { kick: question, kickWhy, kickYes } = TEXTS.ask;
    ask({ heading: question(inSentence), why: [kickWhy], yes: kickYes }, () => kick(id));
  });
  const line = element('li', { class: 'person' }, name, facts, remove);
  return {
    element: line,
    update: (participant, session, isKnown) => {
      const isSelf = participant.id === session.participantId;
      inSentence = nameInSentence(participant);
      line.dataset.presence = !isKnown ? 'unknown' : isSelf ? 'online' : participant.presence;
      setText(name, shownName(participant.name, isSelf));
      setText(facts, factsOf(participant, isSelf, isKnown).join(', '));
      remove.setAttribute('aria-label', words.kick(inSentence));
      show(remove, session.isHost && !isSelf && !session.isClosed && session.ended === null);
    },
  };
}

function factsOf(participant: Participant, isSelf: boolean, isKnown: boolean): string[] {
  const facts: string[] = isSelf && participant.name !== null ? [words.you] : [];
  facts.push(words[participant.role]);
  if (isSelf || !isKnown) return facts;
  facts.push(words[participant.presence]);
  // Of somebody away the last state says nothing.
  if (participant.presence === 'online' && participant.state === 'idle') facts.push(words.idle);
  return facts;
}
