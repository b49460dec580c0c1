import { errorText } from '../error-texts.ts';
import { TEXTS } from '../texts.ts';
import { button, element, setText, show } from '../view/dom.ts';
import type { Direction, LoadState } from './history-loader.ts';

export interface EdgeView {
  readonly element: HTMLElement;
  /**
   * `otherwise` is said where there is no more. True when the button that had the focus is no longer there.
   */
  update: (state: LoadState, hasMore: boolean, otherwise: string) => boolean;
}

const words = TEXTS.conversation;

/** The end of what is shown on one side: more is loaded there, or it says why there is no more. */
export function edgeView(direction: Direction, load: () => void): EdgeView {
  const text = element('p', { attributes: { role: 'status' } });
  const more = button(words.load[direction], 'quiet', load);
  const made = element('div', { class: 'edge' }, text, more);
  return {
    element: made,
    update: (state, hasMore, otherwise) => {
      setText(text, stateText(direction, state, hasMore, otherwise));
      setText(more, state.kind === 'failed' ? words.retry : words.load[direction]);
      const hadFocus = document.activeElement === more;
      show(more, hasMore);
      // A disabled button would lose the focus, and its user the place.
      more.setAttribute('aria-disabled', `${state.kind === 'loading'}`);
      show(made, text.textContent !== '' || hasMore);
      return hadFocus && !hasMore;
    },
  };
}

function stateText(direction: Direction, state: LoadState, hasMore: boolean, otherwise: string): string {
  if (!hasMore) return otherwise;
  switch (state.kind) {
    case 'idle':
      return '';
    case 'loading':
      return words.loading[direction];
    case 'failed':
      return `${words.notLoaded[direction]} ${state.retryAt === null ? errorText(state.error) : words.retrying}`;
  }
}
