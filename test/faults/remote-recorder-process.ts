/** A client in a process of its own, which can be put to sleep; its argument is a `RemoteOpening`. */
import { LibraryRecorder } from './library-recorder.ts';
import type { News, RemoteOpening, RemoteOrder, RemoteReport } from './remote-recorder.ts';
import { StockRecorder } from './stock-recorder.ts';

/** How often what happened is told. */
const NEWS_MS = 20;

const { kind, name, url, opening } = JSON.parse(process.argv[2] ?? '') as RemoteOpening; // Our own parent wrote it.
const recorder = await (kind === 'library' ? LibraryRecorder : StockRecorder).open(name, url, opening);
const { client, sessionId, participantId, joinedSeq } = recorder.record;
report({ kind: 'opened', head: { client, kind, sessionId, participantId, joinedSeq }, code: recorder.code });

let told = 0;
let lastStatus = '';
process.on('message', (order: RemoteOrder) => void obey(order));
process.on('disconnect', () => process.exit());

async function obey(order: RemoteOrder): Promise<void> {
  if (order.kind === 'begin') setInterval(tell, NEWS_MS);
  else if (order.kind === 'say') recorder.say(order.body);
  else {
    try {
      const value = await answerTo(order);
      tell();
      report({ kind: 'answer', call: order.call, value });
    } catch (error) {
      report({ kind: 'answer', call: order.call, error: error instanceof Error ? error.message : String(error) });
    }
  }
}

function answerTo(order: Extract<RemoteOrder, { call: number }>): Promise<unknown> {
  switch (order.kind) {
    case 'settled':
      return recorder.settled(order.lastSeq, order.deadlineMs);
    case 'history':
      return recorder.history();
    case 'end':
      return recorder.endSession();
  }
}

function tell(): void {
  const entries = recorder.record.entries
    .slice(told)
    .map((entry) => ({ ...entry, at: performance.timeOrigin + entry.at }));
  told += entries.length;
  const news: News = { completeSeq: recorder.completeSeq, isOnline: recorder.isOnline, epoch: recorder.epoch };
  const status = JSON.stringify(news);
  if (entries.length === 0 && status === lastStatus) return;
  lastStatus = status;
  report({ kind: 'news', entries, news });
}

function report(what: RemoteReport): void {
  process.send?.(what);
}
