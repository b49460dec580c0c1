import type { ConnectionState, SeatEnd } from '../../client/index.ts';
import { connectionText, endedText, TEXTS, waitText } from '../texts.ts';
import { durationText } from '../time-texts.ts';
import { button, element, setText, show } from './dom.ts';

export interface StatusView {
  /** `end` is that of a seat which can be taken back. */
  update: (connection: ConnectionState, isSeated: boolean, end: SeatEnd | null) => void;
}

/**
 * The state of the connection in words. The words are a live region; the countdown stands beside it, because a region
 * that changes every second would be read out every second.
 */
export function statusView(host: HTMLElement, live: HTMLElement, continueHere: () => void): StatusView {
  const wait = element('span', { class: 'wait', attributes: { role: 'timer' } });
  const takeBack = button(TEXTS.continueHere, 'primary', continueHere);
  host.append(wait, takeBack);
  let isRestart = false;

  return {
    update: (connection, isSeated, end) => {
      const isQuiet = connection.kind === 'online' && !isSeated;
      if (connection.kind === 'draining') isRestart = true;
      else if (connection.kind !== 'reconnecting') isRestart = false;
      const text = isQuiet ? '' : connectionText(connection, !navigator.onLine, isRestart);
      host.dataset.state = end !== null ? 'ended' : isQuiet ? 'closed' : connection.kind;
      setText(live, end === null ? text : endedText(end.reason));
      const retryAt = connection.kind === 'reconnecting' && end === null ? (connection.retryAt ?? 0) : 0;
      const waitMs = retryAt - Date.now();
      setText(wait, waitMs > 0 ? waitText(durationText(waitMs)) : '');
      show(takeBack, end !== null);
    },
  };
}
