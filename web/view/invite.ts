import type { Session } from '../../protocol/session.ts';
import { formatCode, pairingLink } from '../code.ts';
import { clockText, durationText, TEXTS } from '../texts.ts';
import { button, element, setText, show } from './dom.ts';
import { qrCode } from './qr.ts';

export interface InviteView {
  readonly element: HTMLElement;
  update: (session: Session, isHost: boolean) => void;
  focus: () => void;
}

const words = TEXTS.invite;

/** How somebody else gets in: the code, as text, as a picture and as a link, and how long it works. */
export function inviteView(reopen: () => void): InviteView {
  const heading = element('h1', { text: words.waiting, attributes: { tabindex: '-1' } });
  const intro = element('p', { class: 'intro', text: words.join });
  const code = element('p', { class: 'code', attributes: { 'aria-label': words.code } });
  const picture = element('div', { class: 'qr' });
  const link = element('input', { id: 'link', class: 'link', attributes: { readonly: '' } });
  const copied = element('p', { class: 'hint', attributes: { role: 'status' } });
  const copy = button(words.copy, 'secondary', () => void copyLink(link, copied));
  const linkRow = element(
    'div',
    { class: 'field' },
    element('label', { text: words.link, attributes: { for: 'link' } }),
    element('div', { class: 'row' }, link, copy),
    copied,
  );
  const deviceOnly = element('p', { class: 'hint', text: words.thisDeviceOnly });
  const until = element('p', { class: 'hint until' });
  const withCode = element('div', { class: 'with-code' }, code, picture, until, linkRow, deviceOnly);
  const noCode = element('p', { class: 'notice' });
  const renew = button(words.reopen, 'primary', reopen);
  show(deviceOnly, isOnlyHere(location.hostname));
  link.addEventListener('focus', () => link.select());

  let shownCode: string | null = null;
  const showCode = (wire: string): void => {
    shownCode = wire;
    link.value = pairingLink(location.origin, wire);
    setText(code, formatCode(wire));
    setText(copied, '');
    picture.replaceChildren(qrCode(link.value, words.qr(formatCode(wire))));
  };

  return {
    element: element('section', { class: 'card invite' }, heading, intro, withCode, noCode, renew),
    update: (session, isHost) => {
      setText(heading, session.status === 'waiting' ? words.waiting : words.more);
      if (session.code !== null && session.code !== shownCode) showCode(session.code);
      const leftMs = session.codeExpiresAt === null ? null : Date.parse(session.codeExpiresAt) - Date.now();
      const isUp = leftMs !== null && leftMs <= 0;
      setText(until, session.codeExpiresAt === null || leftMs === null ? '' : untilText(session.codeExpiresAt, leftMs));
      show(intro, session.code !== null);
      show(withCode, session.code !== null);
      show(noCode, session.code === null);
      setText(noCode, session.locked ? words.locked : words.noCode);
      show(renew, isHost && !session.locked && (session.code === null || isUp));
    },
    focus: () => heading.focus(),
  };
}

function untilText(expiresAt: string, leftMs: number): string {
  return leftMs <= 0 ? words.timeIsUp : words.until(clockText(expiresAt), durationText(leftMs));
}

async function copyLink(link: HTMLInputElement, answer: HTMLElement): Promise<void> {
  // Browsers have a clipboard in secure contexts alone; the types do not say so.
  const clipboard = navigator.clipboard as Clipboard | undefined;
  try {
    if (clipboard === undefined) throw new Error('no clipboard in this context');
    await clipboard.writeText(link.value);
    setText(answer, words.copied);
  } catch {
    // Missing or forbidden: the user can still copy what is selected.
    link.focus();
    link.select();
    setText(answer, words.copyByHand);
  }
}

/** Whether another device that follows a link to this host would look for the server on itself. */
function isOnlyHere(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname) || hostname.endsWith('.localhost');
}
