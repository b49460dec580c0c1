import { element } from '../view/dom.ts';
import type { Announcer } from './announcer.ts';
import type { Ask } from './link.ts';

/** One part of the console that has the page to itself. */
export interface Screen<R = void> {
  readonly element: HTMLElement;
  /** Takes the focus when the screen is opened, so that a screen reader follows. */
  readonly heading: HTMLElement;
  open: (route: R) => void;
  close: () => void;
}

/** What every screen acts with. */
export interface Desk {
  readonly ask: Ask;
  readonly announcer: Announcer;
  /** Runs a command that changes something: says that it is done, or why not. */
  run: (command: () => Promise<unknown>, done: string) => Promise<boolean>;
}

export function screenHeading(text: string): HTMLHeadingElement {
  return element('h1', { text, attributes: { tabindex: '-1' } });
}
