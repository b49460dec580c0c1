import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Marked } from 'marked';

/**
 * Renders every Markdown file below a directory into an HTML page of the same name, copies the pictures, and writes the
 * list of all pages as index.html.
 * @param {{ from: string, to: string, template: string }} places `template` has `{{title}}` and `{{content}}`
 */
export async function renderDocs({ from, to, template }) {
  await mkdir(to, { recursive: true });
  const files = (await readdir(from, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(from, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort();
  const sources = files.filter((file) => file.endsWith('.md'));
  const pages = [];
  for (const file of sources) {
    const { title, html } = render(await readFile(path.join(from, file), 'utf8'), file, new Set(files));
    pages.push({ title, address: htmlName(file) });
    await write(path.join(to, htmlName(file)), fill(template, title, html));
  }
  for (const picture of files.filter((file) => /\.(png|svg|jpg|webp)$/.test(file))) {
    await cp(path.join(from, picture), path.join(to, picture));
  }
  if (!sources.includes('index.md'))
    await write(path.join(to, 'index.html'), fill(template, 'Documentation', list(pages)));
}

/** @param {string} markdown @param {string} file @param {Set<string>} files */
function render(markdown, file, files) {
  let title = '';
  const ids = new Map();
  // Collected, because marked adds a note of its own to what is thrown inside of it.
  /** @type {string[]} */
  const faults = [];
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }) {
        const html = this.parser.parseInline(tokens);
        const text = this.parser.parseInline(tokens, this.parser.textRenderer);
        if (title === '') title = text;
        return `<h${depth} id="${anchor(text, ids)}">${html}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const html = this.parser.parseInline(tokens);
        const address = resolve(href, file, files, faults);
        return address === null ? html : `<a href="${escape(address)}">${html}</a>`;
      },
    },
  });
  const html = marked.parse(markdown, { async: false });
  if (faults.length > 0) throw new Error(faults.join('\n'));
  return { title: title === '' ? file : title, html };
}

/**
 * Where a link leads once the pages are served: a document becomes its page; what lies outside of docs/ is not served, and
 * its link becomes plain text (null).
 * @param {string} href @param {string} file @param {Set<string>} files @param {string[]} faults
 */
function resolve(href, file, files, faults) {
  if (/^([a-z]+:|\/|#)/i.test(href)) return href;
  const [target = '', fragment] = href.split('#', 2);
  const place = path.posix.normalize(path.posix.join(path.posix.dirname(file), target));
  if (place.startsWith('../')) return null;
  if (!files.has(place) && ![...files].some((known) => known.startsWith(`${place.replace(/\/$/, '')}/`))) {
    faults.push(`docs/${file} links to ${href}, and there is no docs/${place}.`);
    return null;
  }
  // A directory has no page of its own; the list of all pages is the nearest.
  if (!files.has(place)) return '/docs/';
  return `/docs/${htmlName(place)}${fragment === undefined ? '' : `#${fragment}`}`;
}

/** The anchor that GitHub gives a heading. @param {string} text @param {Map<string, number>} ids */
function anchor(text, ids) {
  const plain = text.replace(/&[a-z#0-9]+;/g, '').toLowerCase();
  const id = plain
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
  const earlier = ids.get(id) ?? 0;
  ids.set(id, earlier + 1);
  return earlier === 0 ? id : `${id}-${earlier}`;
}

/** @param {{ title: string, address: string }[]} pages */
function list(pages) {
  const items = pages.map(({ title, address }) => `<li><a href="/docs/${escape(address)}">${title}</a></li>`);
  return `<h1>Documentation</h1>\n<ul>\n${items.join('\n')}\n</ul>\n`;
}

/** @param {string} template @param {string} title @param {string} html */
function fill(template, title, html) {
  // Functions, because "$&" in a document is text and not a pattern of replace().
  return template.replaceAll('{{title}}', () => title).replace('{{content}}', () => html);
}

/** @param {string} file */
function htmlName(file) {
  return file.replace(/\.md$/, '.html');
}

/** @param {string} text */
function escape(text) {
  return text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;');
}

/** @param {string} file @param {string} text */
async function write(file, text) {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, text);
}
