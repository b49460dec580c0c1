import { TandemError } from '../../client/index.ts';
import { button, element, setText } from '../view/dom.ts';
import { ACCOUNT_TEXTS, accountErrorText } from './texts.ts';

export interface Loading {
  readonly element: HTMLElement;
  /** Loads, and loads again when the user asks for it after a failure. */
  start: (load: (signal: AbortSignal) => Promise<void>) => void;
}

/** What is seen while something is loaded, and when it could not be. */
export function loadingView(giveUp: AbortSignal): Loading {
  const status = element('p', { class: 'hint', attributes: { role: 'status' } });
  const view = element('div', { class: 'loading' }, status);

  const start: Loading['start'] = (load) => {
    view.replaceChildren(status);
    setText(status, ACCOUNT_TEXTS.loading);
    load(giveUp).then(
      () => setText(status, ''),
      (cause: unknown) => {
        if (giveUp.aborted) return;
        const error = cause instanceof TandemError ? cause : new TandemError('INTERNAL', undefined, { cause });
        setText(status, accountErrorText(error, 'other'));
        view.append(button(ACCOUNT_TEXTS.retry, 'quiet', () => start(load)));
      },
    );
  };
  return { element: view, start };
}
