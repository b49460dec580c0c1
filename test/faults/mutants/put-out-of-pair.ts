import type { Arena } from '../arena.ts';
import { StockRecorder } from '../stock-recorder.ts';

const SETTLE_MS = 10_000;

/** The host of a conversation kicks the guest, who goes on trying. Once it is answered the guest is to get nothing more. */
export async function putOutOfPair(arena: Arena): Promise<void> {
  const pair = arena.clients.pairs.find(({ host }) => host.recorder instanceof StockRecorder);
  if (pair === undefined || !(pair.host.recorder instanceof StockRecorder)) throw new Error('no host can kick');
  const { recorder } = pair.guest;
  // What is under way when the seat goes is refused before the host is answered: that is nobody's fault.
  arena.hush();
  await recorder.settled(0, SETTLE_MS);
  await pair.host.recorder.kick(recorder.participantId);
  recorder.noteRevoked();
  arena.talk();
}
