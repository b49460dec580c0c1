import { eventually } from '../../support/eventually.ts';
import type { Arena } from '../arena.ts';
import type { Placed } from '../clients.ts';
import { entriesSince } from '../record.ts';

/** The answer to a send of this client is lost with its connection; a repetition is no second message. */
export async function loseAnswer(arena: Arena, { recorder, network }: Placed): Promise<void> {
  await eventually(() => (recorder.isOnline ? Promise.resolve() : Promise.reject(new Error('it is offline'))));
  const cutAt = performance.now();
  network.set({ kind: 'swallow' }, 'down');
  recorder.noteNetwork(true);
  const said = recorder.say();
  // The library sends one after the other, and may have others before it.
  const candidates = () => (recorder.record.kind === 'stock' ? [said] : recorder.unsettled);
  // What others have seen is stored, and its answer went into the black hole.
  const id = await eventually(() => {
    const seen = seenSince(arena, cutAt);
    const stored = candidates().find((candidate) => seen.has(candidate));
    return stored === undefined ? Promise.reject(new Error('no send is out')) : Promise.resolve(stored);
  }).finally(() => {
    network.heal();
    recorder.noteNetwork(false);
  });
  await arena.served();
  const answer = [...entriesSince(recorder.record, cutAt)].find((entry) => entry.kind === 'ok' && entry.id === id);
  // The library may find it among what it missed, and then has nothing to repeat. An answer to the first attempt was behind
  // what the others saw, and the way was whole again by then.
  arena.demand(
    recorder.record.kind === 'library' || (answer?.kind === 'ok' && (answer.duplicate || answer.attempt === 1)),
    () => `${id}, whose answer was lost, was repeated and not recognised: ${JSON.stringify(answer)}`,
  );
}

function seenSince({ clients }: Arena, at: number): Set<string> {
  const ids = new Set<string>();
  for (const { record } of clients.recorders) {
    for (const entry of entriesSince(record, at)) if (entry.kind === 'seen') ids.add(entry.message.id);
  }
  return ids;
}
