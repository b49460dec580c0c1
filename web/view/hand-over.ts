import { handoverLink } from '../../client/index.ts';
import type { TandemSession } from '../../client/index.ts';
import { TEXTS } from '../texts.ts';
import { copyFrom } from './copy.ts';
import { openDialog } from './dialog.ts';
import { button, element, setText, show } from './dom.ts';
import { qrCode } from './qr.ts';

const words = TEXTS.handOver;

/**
 * How another device gets this seat. What is queued lies on this device alone, so the link appears when all has left. The
 * dialog goes when the seat does.
 */
export function handOver(session: TandemSession): void {
  const unsent = element('p', { class: 'notice', attributes: { role: 'status' } });
  const reveal = button(words.show, 'primary', () => {
    isWanted = true;
    update();
    link.focus();
  });
  const picture = element('div', { class: 'qr' });
  const link = element('input', { id: 'seat-link', class: 'link', attributes: { readonly: '' } });
  link.addEventListener('focus', () => link.select());
  const copied = element('p', { class: 'hint', attributes: { role: 'status' } });
  const copy = button(TEXTS.copyLink, 'secondary', () => void copyFrom(link, copied));
  const secret = element(
    'div',
    { class: 'field' },
    picture,
    element('label', { text: words.link, attributes: { for: link.id } }),
    element('div', { class: 'row beside' }, link, copy),
    copied,
  );
  let isWanted = false;

  const update = (): void => {
    const waiting = session.queue.length;
    setText(unsent, waiting > 0 ? words.unsent(waiting) : '');
    show(unsent, waiting > 0);
    show(reveal, !isWanted);
    const isShown = isWanted && waiting === 0;
    if (isShown && link.value === '') {
      link.value = handoverLink(location.origin, session.handOver());
      picture.replaceChildren(qrCode(link.value, words.qr));
    }
    show(secret, isShown);
  };
  update();
  const close = button(TEXTS.close, 'secondary', () => dialog.close());
  const dialog = openDialog(
    TEXTS.panel.handOver,
    element('p', { text: words.explain }),
    element('p', { class: 'caution', text: words.caution }),
    unsent,
    secret,
    element('div', { class: 'row' }, reveal, close),
  );
  const listeners = [session.on('queue', update), session.on('ended', () => dialog.close())];
  dialog.addEventListener('close', () => {
    for (const off of listeners) off();
  });
}
