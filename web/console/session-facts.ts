import type { Session } from '../../protocol/session.ts';
import { countText, dateTimeText, numberText } from './format.ts';
import { STATUS_WORDS } from './texts.ts';

/** What a session is, in words: name and value of each line. */
export function sessionFacts(session: Session): [name: string, value: string][] {
  const waiting = session.lastSeq - session.durableSeq;
  return [
    ['Status', session.locked ? `${STATUS_WORDS[session.status]}, locked` : STATUS_WORDS[session.status]],
    ['Created', dateTimeText(session.createdAt)],
    ['Seats', `${session.participants.length} of ${session.capacity} taken`],
    ['Who may join', session.approval ? 'Who has the code and is let in by the host' : 'Who has the code'],
    ['Who joins sees', session.shareHistory ? 'What was said before, too' : 'What is said from then on'],
    ['Last message', session.lastSeq === 0 ? 'None yet' : `Number ${numberText(session.lastSeq)}`],
    [
      'In Postgres',
      waiting <= 0
        ? `All of them (up to ${numberText(session.durableSeq)})`
        : `Up to ${numberText(session.durableSeq)}; ${countText(waiting, 'message')} on the way`,
    ],
    ['An answer is worth', session.durability],
    ['Epoch', session.epoch === 1 ? '1' : `${session.epoch}: it was rebuilt`],
  ];
}
