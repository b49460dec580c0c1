import { TEXTS } from '../texts.ts';
import { element, show } from '../view/dom.ts';
import { edgeView } from './edge-view.ts';
import type { Direction, LoadState } from './history-loader.ts';
import { lineView } from './line-view.ts';
import type { LineContext, LineView } from './line-view.ts';
import type { Line } from './lines.ts';
import { captureAnchor } from './scroll-anchor.ts';

export interface MessageList {
  readonly element: HTMLElement;
  /** `isDetached`: newer messages exist than those shown, so that the last line is not the end. */
  update: (lines: readonly Line[], isDetached: boolean) => void;
  updateEdge: (direction: Direction, state: LoadState, hasMore: boolean, otherwise: string) => void;
  /** Looks again whether an edge is in sight, which is where more is loaded. */
  lookForEdges: () => void;
  /** Whether the list follows what comes. */
  readonly isAtEnd: boolean;
  /** Whether the newest line is on the screen. */
  readonly isEndInSight: boolean;
  /** Shows the newest from now on, wherever the reader was. */
  toEnd: () => void;
  clear: () => void;
}

interface ListEvents {
  /** More is wanted: `isAsked` by a button, otherwise by scrolling there. */
  wanted: (direction: Direction, isAsked: boolean) => void;
  /** The reader has scrolled, or the list has come into sight. */
  moved: () => void;
}

/** How near the end counts as reading the newest: then the list follows. */
const FOLLOW_PX = 80;
/** Older messages are loaded before their reader arrives at the edge. */
const AHEAD = '400px 0px';

export function messageList(context: LineContext, { wanted, moved }: ListEvents): MessageList {
  const older = edgeView('older', () => wanted('older', true));
  const newer = edgeView('newer', () => wanted('newer', true));
  const list = element('ol', { class: 'lines', attributes: { role: 'list' } });
  const end = element('div', { class: 'end' });
  const scroller = element(
    'div',
    {
      class: 'messages',
      attributes: { role: 'log', 'aria-live': 'off', 'aria-label': TEXTS.conversation.messages, tabindex: '0' },
    },
    older.element,
    list,
    newer.element,
    end,
  );
  const views = new Map<string, LineView>();
  let isAtEnd = true;
  let isEndInSight = false;
  let size = '';

  const sizeNow = (): string => `${scroller.clientHeight} ${scroller.scrollHeight}`;
  const isNearEnd = (): boolean => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < FOLLOW_PX;
  const follow = (): void => {
    if (sizeNow() === size) return;
    if (isAtEnd) scroller.scrollTop = scroller.scrollHeight;
    size = sizeNow();
  };
  scroller.addEventListener('scroll', () => {
    // While the size differs from the last known, the list has moved because of that, and not by its reader's hand.
    if (sizeNow() !== size) return;
    isAtEnd = isNearEnd();
    moved();
  });
  // The keyboard of a phone, and every notice, take room from the list.
  new ResizeObserver(follow).observe(scroller);

  const edges = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries)
        if (isIntersecting) wanted(target === older.element ? 'older' : 'newer', false);
    },
    { root: scroller, rootMargin: AHEAD },
  );
  const lookForEdges = (): void => {
    // An observer tells of changes only, and a short page leaves the edge in sight: it is asked anew.
    for (const edge of [older.element, newer.element]) {
      edges.unobserve(edge);
      edges.observe(edge);
    }
  };
  new IntersectionObserver((entries) => {
    isEndInSight = entries.at(-1)?.isIntersecting ?? false;
    moved();
  }).observe(end);
  lookForEdges();

  return {
    element: scroller,
    get isAtEnd() {
      return isAtEnd;
    },
    get isEndInSight() {
      return isEndInSight;
    },
    update: (lines, isDetached) => {
      const isFollowing = isAtEnd && !isDetached;
      const restore = isFollowing ? null : captureAnchor(scroller, list);
      arrange(list, views, lines, context);
      show(list, lines.length > 0);
      restore?.();
      if (isFollowing) scroller.scrollTop = scroller.scrollHeight;
      else isAtEnd = isNearEnd();
      size = sizeNow();
    },
    updateEdge: (direction, state, hasMore, otherwise) => {
      const edge = direction === 'older' ? older : newer;
      const restore = isAtEnd ? null : captureAnchor(scroller, list);
      if (edge.update(state, hasMore, otherwise)) scroller.focus({ preventScroll: true });
      restore?.();
      follow();
    },
    lookForEdges,
    toEnd: () => {
      isAtEnd = true;
      scroller.scrollTop = scroller.scrollHeight;
    },
    clear: () => {
      views.clear();
      list.replaceChildren();
      isAtEnd = true;
    },
  };
}

/** Makes the list show these lines in this order, and moves or makes only what differs. */
function arrange(list: HTMLElement, views: Map<string, LineView>, lines: readonly Line[], context: LineContext): void {
  const keys = new Set(lines.map(({ key }) => key));
  for (const [key, view] of views) {
    if (keys.has(key)) continue;
    view.element.remove();
    views.delete(key);
  }
  let place = list.firstElementChild;
  for (const line of lines) {
    const view = views.get(line.key) ?? lineView(line, context);
    views.set(line.key, view);
    view.refresh(line);
    if (place === view.element) place = place.nextElementSibling;
    else list.insertBefore(view.element, place);
  }
}
