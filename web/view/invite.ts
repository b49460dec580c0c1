import { formatCode } from '../../client/index.ts';
import type { TandemSession } from '../../client/index.ts';
import { TEXTS } from '../texts.ts';
import { clockText, durationText } from '../time-texts.ts';
import { ask } from './ask.ts';
import { copyFrom } from './copy.ts';
import { button, element, setText, show } from './dom.ts';
import { qrCode } from './qr.ts';

export interface InviteView {
  readonly element: HTMLElement;
  update: (session: TandemSession) => void;
}

const words = TEXTS.invite;

/** How somebody else gets in: the code, as text, as a picture and as a link, and how long it works. */
export function inviteView(reopen: () => void): InviteView {
  const heading = element('h2', { text: words.more });
  const intro = element('p', { class: 'intro' });
  const code = element('p', { class: 'code', attributes: { 'aria-label': words.code, role: 'group' } });
  const picture = element('div', { class: 'qr' });
  const until = element('p', { class: 'hint' });
  const link = element('input', { id: 'link', class: 'link', attributes: { readonly: '' } });
  const answer = element('p', { class: 'hint', attributes: { role: 'status' } });
  const actions = element(
    'div',
    { class: 'row actions' },
    button(TEXTS.copyLink, 'secondary', () => void copyFrom(link, answer)),
    button(words.copyCode, 'secondary', () => void copyFrom(code, answer)),
  );
  // Missing in many browsers and on plain http; the types do not say so.
  if ((navigator as Partial<Navigator>).share !== undefined) {
    actions.append(button(words.share, 'secondary', () => void share(link.value)));
  }
  const label = element('label', { text: words.link, attributes: { for: 'link' } });
  const linkField = element('div', { class: 'field' }, label, link, actions, answer);
  const approval = element('p', { class: 'hint' });
  const deviceOnly = element('p', { class: 'hint', text: words.thisDeviceOnly });
  const withCode = element('div', { class: 'with-code' }, code, picture, until, approval, linkField, deviceOnly);
  const noCode = element('p', { class: 'notice' });
  let isCodeAlive = false;
  const renew = button(words.reopen, 'secondary', () => {
    const { reopen: question, reopenWhy, reopenYes } = TEXTS.ask;
    if (isCodeAlive) ask({ heading: question, why: [reopenWhy], yes: reopenYes }, reopen);
    else reopen();
  });
  show(deviceOnly, isOnlyHere(location.hostname));
  link.addEventListener('focus', () => link.select());

  const showLink = (wire: string, address: string): void => {
    if (link.value === address) return;
    link.value = address;
    setText(code, formatCode(wire));
    setText(answer, '');
    picture.replaceChildren(qrCode(address, words.qr(formatCode(wire))));
  };

  return {
    element: element('section', { class: 'invite' }, heading, intro, withCode, noCode, renew),
    update: (session) => {
      const { info, isHost } = session;
      const address = session.link(location.origin);
      const leftMs = info.codeExpiresAt === null ? null : Date.parse(info.codeExpiresAt) - Date.now();
      isCodeAlive = info.code !== null && (leftMs === null || leftMs > 0);
      if (info.code !== null && address !== null) showLink(info.code, address);
      setText(intro, session.isEncrypted ? words.joinEncrypted : words.join);
      setText(until, info.codeExpiresAt === null || leftMs === null ? '' : untilText(info.codeExpiresAt, leftMs));
      setText(approval, isHost ? words.approval : words.approvalGuest);
      show(approval, info.approval);
      show(heading, info.status !== 'waiting');
      show(intro, info.code !== null);
      show(withCode, info.code !== null);
      show(noCode, info.code === null);
      setText(noCode, info.locked ? words.locked : isHost ? words.noCode : words.noCodeGuest);
      show(renew, isHost && !info.locked);
    },
  };
}

function untilText(expiresAt: string, leftMs: number): string {
  return leftMs <= 0 ? words.timeIsUp : words.until(clockText(expiresAt), durationText(leftMs));
}

async function share(url: string): Promise<void> {
  try {
    await navigator.share({ title: words.shareTitle, url });
  } catch {
    // Called off by the user, or refused by the system, which says so itself.
  }
}

/** Whether another device that follows a link to this host would look for the server on itself. */
function isOnlyHere(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname) || hostname.endsWith('.localhost');
}
