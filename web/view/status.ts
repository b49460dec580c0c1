import type { Link } from '../connection.ts';
import { durationText, linkText, TEXTS, waitText } from '../texts.ts';
import { button, element, setText, show } from './dom.ts';

export interface StatusView {
  update: (link: Link, isSeated: boolean) => void;
}

/**
 * The state of the link in words. The words are a live region; the countdown stands beside it, because a region that
 * changes every second would be read out every second.
 */
export function statusView(host: HTMLElement, live: HTMLElement, continueHere: () => void): StatusView {
  const wait = element('span', { class: 'wait', attributes: { role: 'timer' } });
  const takeBack = button(TEXTS.conversation.continueHere, 'secondary', continueHere);
  host.append(wait, takeBack);

  return {
    update: (link, isSeated) => {
      const isQuiet = link.kind === 'off' || (link.kind === 'online' && !isSeated);
      host.dataset.state = isQuiet ? 'off' : link.kind;
      setText(live, isQuiet ? '' : linkText(link, !navigator.onLine));
      const waitMs = link.kind === 'paused' ? link.retryAt - Date.now() : 0;
      setText(wait, waitMs > 0 ? waitText(durationText(waitMs)) : '');
      show(takeBack, link.kind === 'ended');
    },
  };
}
