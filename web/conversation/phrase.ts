import { element } from '../view/dom.ts';

/** Private use characters, which the page's own texts do not contain. */
const FIRST_PLACE = 0xe000;
const PLACES = /([\ue000-\ue00f])/u;

/**
 * A sentence of the page with names of people in it, each kept apart from the direction of the words around it.
 * `names` are as shown; `sentence` gets something to put where each name belongs.
 */
export function phrase(names: readonly string[], sentence: (...places: string[]) => string): Node[] {
  const places = names.map((_name, index) => String.fromCharCode(FIRST_PLACE + index));
  return sentence(...places)
    .split(PLACES)
    .filter((part) => part !== '')
    .map((part) => {
      const name = names[places.indexOf(part)];
      return name === undefined ? document.createTextNode(part) : element('bdi', { text: name });
    });
}
