//@ts-check
/**
 * The element with this id, which the page's own HTML must have.
 * @template {Element} T
 * @param {string} id
 * @param {{ new (): T }} type
 */
export function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`This page has no ${type.name} with the id ${id}`);
  return found;
}
