import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { asyncApiOf } from './docs-asyncapi.js';
import { CONTENTS } from './docs-contents.js';
import { httpReference } from './docs-http-reference.js';
import { protocolReference } from './docs-protocol-reference.js';
import { loadDocsSources } from './docs-sources.js';
import { renderDocs } from './render-docs.js';

/**
 * The documentation: the pages of docs/, the references that are made from the code, and the AsyncAPI document.
 * @param {{ root: string, to: string, template: string, code?: { directory: string, ending: '.js' | '.ts' } }} places
 * `code` has protocol/ and server/ in a form that can be imported
 */
export async function buildDocs({ root, to, template, code = { directory: path.join(root, 'dist'), ending: '.js' } }) {
  const from = path.join(root, 'docs');
  const sources = await loadDocsSources({ root, code: code.directory, ending: code.ending });
  const rules = await readFile(path.join(from, 'protocol.md'), 'utf8');
  await renderDocs({
    ...{ from, to, template, version: sources.version, contents: CONTENTS },
    pages: new Map([
      ['protocol-reference.md', protocolReference(sources, rules)],
      ['http-reference.md', httpReference(sources)],
    ]),
    files: new Map([['asyncapi.json', `${JSON.stringify(asyncApiOf(sources), null, 2)}\n`]]),
  });
}
