import type { LeaveReason, Participant, Session } from '../../protocol/session.ts';
import { visibleName } from '../conversation/visible-text.ts';
import { shownName } from '../shown-name.ts';
import { ask } from '../view/ask.ts';
import { button, element, setText, show } from '../view/dom.ts';
import { dateTimeText, numberText } from './format.ts';
import { unknownName } from './participant-names.ts';
import { fragmentOf, hasPlace } from './route.ts';
import { tableView } from './table.ts';
import { CONSOLE_TEXTS, ROLE_WORDS } from './texts.ts';
import { leftText } from './timeline-text.ts';

export interface Left {
  readonly participant: Participant;
  readonly reason: LeaveReason;
  readonly at: string;
}

type NameOf = (participantId: string) => string;

export interface ParticipantsView {
  readonly element: HTMLElement;
  update: (session: Session, left: readonly Left[], nameOf: NameOf) => void;
}

const words = CONSOLE_TEXTS.kick;

/** Who is in a session, and who was. */
export function participantsView(kick: (participant: Participant) => void): ParticipantsView {
  let isOpen = false;
  let nameOf: NameOf = unknownName;
  const askToKick = (participant: Participant): void => {
    const name = nameOf(participant.id);
    ask({ heading: words.question(name), why: [words.why], yes: words.yes }, () => kick(participant));
  };
  const present = tableView<Participant>({
    caption: 'Participants',
    keyOf: ({ id }) => id,
    columns: [
      { heading: 'Name', isRowHeading: true, cell: nameCell },
      { heading: 'Role', text: ({ role }) => ROLE_WORDS[role] },
      {
        heading: 'Presence',
        cell: () => {
          const badge = element('span', { class: 'state' });
          return {
            element: badge,
            update: ({ presence, state }) => {
              badge.dataset['state'] = presence;
              setText(badge, presence === 'away' ? 'Away' : state === 'idle' ? 'Online, idle' : 'Online');
            },
          };
        },
      },
      { heading: 'Joined', text: ({ joinedAt }) => dateTimeText(joinedAt) },
      { heading: 'Joined at seq', isNumber: true, text: ({ joinedSeq }) => numberText(joinedSeq) },
      { heading: 'Delivered', isNumber: true, text: ({ delivered }) => numberText(delivered) },
      { heading: 'Read', isNumber: true, text: ({ read }) => numberText(read) },
      { heading: 'User', cell: userCell },
      {
        heading: 'Act',
        cell: (first) => {
          let current = first;
          const remove = button(words.button, 'quiet', () => askToKick(current));
          return {
            element: remove,
            update: (participant) => {
              current = participant;
              remove.setAttribute('aria-label', words.label(nameOf(participant.id)));
              show(remove, isOpen);
            },
          };
        },
      },
    ],
  });
  const nobody = element('p', { class: 'hint', text: 'Nobody is in it.' });
  const gone = element('ul', { class: 'gone' });
  const goneHeading = element('h3', { text: 'Who has left' });
  return {
    element: element('div', {}, nobody, present.element, goneHeading, gone),
    update: (session, left, names) => {
      nameOf = names;
      isOpen = session.status !== 'closed';
      present.update(session.participants);
      show(present.element, session.participants.length > 0);
      show(nobody, session.participants.length === 0);
      show(goneHeading, left.length > 0);
      const lines = left.map(
        ({ participant, reason, at }) => `${dateTimeText(at)}: ${leftText(names(participant.id), reason)}`,
      );
      // The same lines stay: who has selected one goes on with it.
      if ([...gone.children].map(({ textContent }) => textContent).join('\n') !== lines.join('\n')) {
        gone.replaceChildren(...lines.map((text) => element('li', { text })));
      }
    },
  };
}

function nameCell({ id }: Participant) {
  const name = element('bdi', { class: 'shown-name' });
  return {
    element: element('span', { class: 'session-title' }, name, element('span', { class: 'id', text: id })),
    update: (participant: Participant) => setText(name, shownName(participant.name, false)),
  };
}

function userCell() {
  const link = element('a', { text: 'Logins' });
  // Where no link can name the user, whoever looks has to type the id.
  const id = element('bdi', { class: 'id' });
  return {
    element: element('span', {}, link, id),
    update: ({ userId }: Participant) => {
      if (userId !== null) link.href = fragmentOf({ kind: 'users', userId });
      setText(id, userId === null ? 'not signed in' : visibleName(userId));
      show(link, hasPlace(userId));
      show(id, !hasPlace(userId));
    },
  };
}
