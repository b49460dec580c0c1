import type { Participant } from '../../protocol/session.ts';
import { nameInSentence, shownName } from '../shown-name.ts';

const NOBODY = shownName(null, false);

/** Each participant as it can stand in a sentence: told apart by the end of its id where the name does not do that. */
export function participantNames(participants: readonly Pick<Participant, 'id' | 'name'>[]): Map<string, string> {
  const counts = new Map<string, number>();
  const all = new Map(participants.map((participant) => [participant.id, participant]));
  for (const { name } of all.values()) {
    const shown = shownName(name, false);
    counts.set(shown, (counts.get(shown) ?? 0) + 1);
  }
  return new Map(
    [...all.values()].map((participant) => {
      const shown = shownName(participant.name, false);
      const isClear = shown !== NOBODY && counts.get(shown) === 1;
      const name = nameInSentence(participant);
      return [participant.id, isClear ? name : `${name} (${idEnd(participant.id)})`];
    }),
  );
}

/** Of whom nothing but the id is known. */
export function unknownName(participantId: string): string {
  return `${NOBODY} (${idEnd(participantId)})`;
}

/** Ids begin with the time, so that those of one session begin alike. */
function idEnd(id: string): string {
  return id.slice(-6);
}
