import path from 'node:path';
import { Marked, Renderer } from 'marked';

/** @typedef {{ depth: number, id: string, html: string }} Heading */

/**
 * One page of Markdown as HTML.
 * @param {string} markdown @param {string} file of docs/ @param {ReadonlySet<string>} files all that docs/ has
 * @returns {{ title: string, html: string, headings: Heading[] }} throws when a link leads to no file
 */
export function renderPage(markdown, file, files) {
  let title = '';
  const ids = new Map();
  /** @type {Heading[]} */
  const headings = [];
  // Collected, because marked adds a note of its own to what is thrown inside of it.
  /** @type {string[]} */
  const faults = [];
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }) {
        const html = this.parser.parseInline(tokens);
        const text = this.parser.parseInline(tokens, this.parser.textRenderer);
        const id = anchorOf(text, ids);
        if (title === '') title = text;
        headings.push({ depth, id, html: html.replace(/<\/?a\b[^>]*>/g, '') });
        const link = `<a class="anchor" href="#${id}" aria-label="Link to “${escape(text, true)}”">#</a>`;
        return `<h${depth} id="${id}">${html}${depth === 1 ? '' : ` ${link}`}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const html = this.parser.parseInline(tokens);
        const address = resolve(href, file, files, faults);
        return address === null ? html : `<a href="${escape(address)}">${html}</a>`;
      },
      // Served pages that no file in docs/ holds are named by their address: it is a link where they are served.
      codespan({ text }) {
        const code = `<code>${escape(text)}</code>`;
        const [, page] = /^\/docs\/([a-z-]+)$/.exec(text) ?? [];
        return page !== undefined && files.has(`${page}.md`)
          ? `<a href="${addressOf(`${page}.md`)}">${code}</a>`
          : code;
      },
      // Whoever has no mouse scrolls what has the focus.
      code({ text, lang = '' }) {
        const [language = ''] = lang.split(' ');
        return `<pre tabindex="0"><code${language === '' ? '' : ` class="language-${escape(language)}"`}>${escape(text)}\n</code></pre>\n`;
      },
      table(token) {
        // A head that says nothing heads nothing: an empty cell, as screen readers want it.
        const html = Renderer.prototype.table.call(this, token).replaceAll('<th></th>', '<td></td>');
        return `<div class="table" tabindex="0">${html}</div>\n`;
      },
    },
  });
  const html = marked.parse(markdown, { async: false });
  if (faults.length > 0) throw new Error(faults.join('\n'));
  return { title: title === '' ? file : title, html, headings };
}

/** Where a page of docs/ is served. @param {string} file */
export function addressOf(file) {
  return `/docs/${file.replace(/\.md$/, '.html')}`;
}

/** @param {string} text @param {boolean} [isEscaped] entities stay what they are */
export function escape(text, isEscaped = false) {
  return text
    .replace(isEscaped ? /&(?!#?\w+;)/g : /&/g, '&amp;')
    .replace(/"/g, '&quot;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;');
}

/**
 * Where a link leads once the pages are served: a document becomes its page; what lies outside of docs/ is not served, and
 * its link becomes plain text (null).
 * @param {string} href @param {string} file @param {ReadonlySet<string>} files @param {string[]} faults
 */
function resolve(href, file, files, faults) {
  if (/^([a-z]+:|\/|#)/i.test(href)) return href;
  const [target = '', fragment] = href.split('#', 2);
  const place = path.posix.normalize(path.posix.join(path.posix.dirname(file), target));
  if (place.startsWith('../')) return null;
  // The decisions have a list of their own.
  if (/^adr\/?$/.test(place)) return addressOf('decisions.md');
  if (!files.has(place)) {
    faults.push(`docs/${file} links to ${href}, and there is no docs/${place}.`);
    return null;
  }
  return `${addressOf(place)}${fragment === undefined ? '' : `#${fragment}`}`;
}

/** The anchor that GitHub gives a heading. @param {string} text @param {Map<string, number>} ids */
function anchorOf(text, ids) {
  const plain = text.replace(/&[a-z#0-9]+;/g, '').toLowerCase();
  const id = plain
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
  const earlier = ids.get(id) ?? 0;
  ids.set(id, earlier + 1);
  return earlier === 0 ? id : `${id}-${earlier}`;
}
