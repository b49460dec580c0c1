import { TEXTS } from '../texts.ts';
import { button, element } from './dom.ts';

export interface RemarksView {
  readonly element: HTMLElement;
  /** Says something that belongs to no screen, until it is closed. Gives what takes it back. */
  add: (text: string) => () => void;
}

export function remarksView(): RemarksView {
  // There from the start: screen readers announce only what is added to a region that they know.
  const list = element('div', { class: 'remarks', attributes: { role: 'alert' } });
  return {
    element: list,
    add: (text) => {
      const remark = element('div', { class: 'notice remark' }, element('p', { text }));
      remark.append(button(TEXTS.close, 'quiet', () => remark.remove()));
      list.append(remark);
      return () => remark.remove();
    },
  };
}
