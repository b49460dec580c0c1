import { TEXTS } from '../texts.ts';
import { button, element } from './dom.ts';

/** Asks before something that cannot be undone. */
export function ask(question: string, yes: string, onYes: () => void): void {
  const dialog = element('dialog', { attributes: { 'aria-label': question } });
  const close = (): void => dialog.close();
  const stay = button(TEXTS.ask.no, 'secondary', close);
  const go = button(yes, 'primary', () => {
    close();
    onYes();
  });
  dialog.append(element('p', { text: question }), element('div', { class: 'row' }, stay, go));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
