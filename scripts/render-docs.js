import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { addressOf, escape, renderPage } from './docs-page.js';

/**
 * @typedef {import('./docs-page.js').Heading} Heading
 * @typedef {{ file: string, title: string, html: string, headings: Heading[] }} Page
 *
 * @typedef {object} Docs what is rendered
 * @property {string} from directory of the Markdown files and pictures
 * @property {string} to
 * @property {string} version
 * @property {string} template has `{{title}}`, `{{content}}`, `{{contents}}` and `{{turn}}`
 * @property {import('./docs-contents.js').Group[]} contents
 * @property {ReadonlyMap<string, string>} pages Markdown that is in no file, by the name that its file would have
 * @property {ReadonlyMap<string, string>} files to be served as they are
 */

/** Headings below which a page is looked through faster than a list of them. */
const FEW_HEADINGS = 4;

/**
 * Renders every Markdown file below a directory, and those that are made by the build, into an HTML page of the same
 * name, with the list of all pages beside each; copies the pictures; and writes the first page as index.html. A link that
 * leads nowhere, and a page that nobody would find, is an error.
 * @param {Docs} docs
 */
export async function renderDocs({ from, to, version, template, contents, pages: made, files: served }) {
  await mkdir(to, { recursive: true });
  const found = (await readdir(from, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(from, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    // The form of a decision is for whoever writes one.
    .filter((file) => file !== 'adr/0000-template.md')
    .sort();
  const markdown = new Map(made);
  for (const file of found.filter((name) => name.endsWith('.md')))
    markdown.set(file, await readFile(path.join(from, file), 'utf8'));
  const decisions = [...markdown].filter(([file]) => file.startsWith('adr/'));
  markdown.set('decisions.md', decisionList(decisions));

  const known = new Set([...found, ...markdown.keys(), ...served.keys()]);
  const pages = [...markdown].map(([file, text]) => ({ file, ...renderPage(text, file, known) }));
  const order = orderOf(contents, pages);
  checkAnchors(pages);
  for (const page of pages) {
    const parts = { content: withOutline(page), contents: contentsOf(contents, page.file), turn: turnOf(order, page) };
    await write(path.join(to, page.file.replace(/\.md$/, '.html')), fill(template, { title: page.title, ...parts }));
  }
  const first = {
    title: 'Documentation',
    content: firstPage(contents, version),
    contents: contentsOf(contents, ''),
    turn: '',
  };
  await write(path.join(to, 'index.html'), fill(template, first));
  for (const picture of found.filter((file) => /\.(png|svg|jpg|webp)$/.test(file)))
    await cp(path.join(from, picture), path.join(to, picture));
  for (const [name, text] of served) await write(path.join(to, name), text);
}

/** @param {[string, string][]} decisions @returns {string} Markdown */
function decisionList(decisions) {
  const rows = decisions.map(([file, text]) => {
    const [, number = '', title = ''] = /^# (\d+): (.*)$/m.exec(text) ?? [];
    const [, date = '', status = ''] = /^Date: (\S+) · Status: (.*)$/m.exec(text) ?? [];
    if (title === '' || status === '')
      throw new Error(`docs/${file} has no "# <number>: <title>", or no date and status.`);
    return `| ${number} | [${title}](${file}) | ${date} | ${status} |`;
  });
  const lines = ['# Decisions', '', 'What was decided, what else was weighed, and what follows from it.', ''];
  return [...lines, '| number | decision | date | status |', '|---|---|---|---|', ...rows, ''].join('\n');
}

/** All pages in the order in which they are read. @param {import('./docs-contents.js').Group[]} contents @param {Page[]} pages */
function orderOf(contents, pages) {
  const listed = contents.flatMap(({ entries }) => entries.map(({ file }) => file));
  const named = new Map(pages.map((page) => [page.file, page]));
  const missing = listed.filter((file) => !named.has(file));
  const lost = pages.filter(({ file }) => !file.startsWith('adr/') && !listed.includes(file));
  if (missing.length > 0)
    throw new Error(`scripts/docs-contents.js lists pages that are not there: ${missing.join(', ')}.`);
  if (lost.length > 0)
    throw new Error(`scripts/docs-contents.js does not list ${lost.map(({ file }) => file).join(', ')}.`);
  const order = [...listed, ...[...named.keys()].filter((file) => file.startsWith('adr/')).sort()];
  return order.flatMap((file) => named.get(file) ?? []);
}

/** A link into another page must lead to a heading of it. @param {Page[]} pages */
function checkAnchors(pages) {
  const anchors = new Map(pages.map(({ file, headings }) => [addressOf(file), new Set(headings.map(({ id }) => id))]));
  const faults = pages.flatMap(({ file, html }) =>
    [...html.matchAll(/ href="([^"#:]*)#([^"]+)"/g)].flatMap(([, address = '', anchor = '']) => {
      const place = address === '' ? addressOf(file) : address;
      return anchors.get(place)?.has(anchor) === true
        ? []
        : [`docs/${file} links to ${place}#${anchor}: there is none.`];
    }),
  );
  if (faults.length > 0) throw new Error(faults.join('\n'));
}

/** The page with the list of its headings behind its title, where there are many. @param {Page} page */
function withOutline({ html, headings }) {
  const sections = headings.filter(({ depth }) => depth === 2);
  const end = html.indexOf('</h1>');
  if (sections.length < FEW_HEADINGS || end === -1) return html;
  const items = sections.map((section) => {
    const next = headings.indexOf(section) + 1;
    const rest = headings.slice(next);
    const until = rest.findIndex(({ depth }) => depth <= 2);
    const below = rest.slice(0, until === -1 ? undefined : until).filter(({ depth }) => depth === 3);
    const inner = below.length === 0 ? '' : `<ul>${below.map((one) => `<li>${linkTo(one)}</li>`).join('')}</ul>`;
    return `<li>${linkTo(section)}${inner}</li>`;
  });
  const outline = `<details class="outline"><summary>On this page</summary><ul>${items.join('\n')}</ul></details>`;
  return `${html.slice(0, end + '</h1>'.length)}\n${outline}${html.slice(end + '</h1>'.length)}`;
}

/** @param {Heading} heading */
function linkTo({ id, html }) {
  return `<a href="#${id}">${html}</a>`;
}

/** The list of all pages, for the side. @param {import('./docs-contents.js').Group[]} contents @param {string} current */
function contentsOf(contents, current) {
  // A decision stands in a list of its own.
  const here = current.startsWith('adr/') ? 'decisions.md' : current;
  const groups = contents.map(({ title, entries }) => {
    const items = entries.map(({ file, title: name }) => {
      const mark = file === here ? ` aria-current="${file === current ? 'page' : 'true'}"` : '';
      return `<li><a href="${addressOf(file)}"${mark}>${escape(name)}</a></li>`;
    });
    return `<li><span>${escape(title)}</span><ul>${items.join('\n')}</ul></li>`;
  });
  return `<ul>${groups.join('\n')}</ul>`;
}

/** @param {Page[]} order @param {Page} page */
function turnOf(order, { file }) {
  const place = order.findIndex((one) => one.file === file);
  const link = (/** @type {Page | undefined} */ other, /** @type {string} */ rel, /** @type {string} */ word) =>
    other === undefined
      ? ''
      : `<a href="${addressOf(other.file)}" rel="${rel}"><span>${word}</span> ${other.title}</a>`;
  return link(order[place - 1], 'prev', 'Previous') + link(order[place + 1], 'next', 'Next');
}

/** @param {import('./docs-contents.js').Group[]} contents @param {string} version */
function firstPage(contents, version) {
  const groups = contents.map(({ title, entries }) => {
    const items = entries.map(
      ({ file, title: name, line }) =>
        `<dt><a href="${addressOf(file)}">${escape(name)}</a></dt><dd>${escape(line)}</dd>`,
    );
    return `<h2>${escape(title)}</h2>\n<dl>${items.join('\n')}</dl>`;
  });
  const machines =
    '<p>For machines: <a href="/docs/asyncapi.json">AsyncAPI 3.0</a> for the real-time interface, ' +
    '<a href="/api/v1/openapi.json">OpenAPI 3.1</a> for the HTTP interface.</p>';
  return `<h1>Documentation</h1>\n<p>Tandem ${escape(version)}, the version that serves this page.</p>\n${groups.join('\n')}\n${machines}`;
}

/** @param {string} template @param {Record<string, string>} parts */
function fill(template, parts) {
  // A function, because "$&" in a document is text and not a pattern of replace(). One pass, so that a document may say {{title}}.
  return template.replace(/\{\{(\w+)\}\}/g, (_, name) => {
    const part = parts[name];
    if (part === undefined) throw new Error(`web/docs.html has a {{${name}}}, and there is nothing for it.`);
    return part;
  });
}

/** @param {string} file @param {string} text */
async function write(file, text) {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, text);
}
