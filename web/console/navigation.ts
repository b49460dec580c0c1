import { element } from '../view/dom.ts';
import { fragmentOf } from './route.ts';
import type { Route } from './route.ts';
import { CONSOLE_TEXTS } from './texts.ts';

export interface Navigation {
  readonly element: HTMLElement;
  update: (route: Route) => void;
}

const PLACES: readonly { route: Route; text: string; holds: readonly Route['kind'][] }[] = [
  { route: { kind: 'overview' }, text: CONSOLE_TEXTS.overview, holds: ['overview'] },
  { route: { kind: 'sessions' }, text: CONSOLE_TEXTS.sessions, holds: ['sessions', 'session'] },
  { route: { kind: 'users', userId: null }, text: CONSOLE_TEXTS.users, holds: ['users'] },
];

export function navigation(): Navigation {
  const links = PLACES.map(({ route, text, holds }) => ({
    holds,
    link: element('a', { text, attributes: { href: fragmentOf(route) } }),
  }));
  const items = links.map(({ link }) => element('li', {}, link));
  return {
    element: element('nav', { class: 'places', attributes: { 'aria-label': 'Console' } }, element('ul', {}, ...items)),
    update: ({ kind }) => {
      for (const { holds, link } of links) {
        if (holds.includes(kind)) link.setAttribute('aria-current', 'page');
        else link.removeAttribute('aria-current');
      }
    },
  };
}
