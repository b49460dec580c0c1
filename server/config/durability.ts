import { DURABILITIES, type Durability } from '../../protocol/session.ts';

/** Whether a store that gives `actual` is at least as strong as `DURABILITY` asks for; `auto` takes what there is. */
export function meetsDurability(actual: Durability, required: 'auto' | Durability): boolean {
  return required === 'auto' || DURABILITIES.indexOf(actual) <= DURABILITIES.indexOf(required);
}
