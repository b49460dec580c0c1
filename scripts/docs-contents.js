/**
 * What the documentation consists of, in the order in which it is read. Pages whose `file` is not in docs/ are made by the
 * build. A page in docs/ that is missing here is an error: nobody would find it.
 *
 * @typedef {{ file: string, title: string, line: string }} Entry
 * @typedef {{ title: string, entries: Entry[] }} Group
 */

/** @type {Group[]} */
export const CONTENTS = [
  {
    title: 'Begin',
    entries: [
      entry(
        'quick-start.md',
        'Quick start',
        'From nothing to two devices that talk: by the page, in a page of your own, in Node.js',
      ),
      entry('concepts.md', 'Concepts', 'Sessions, seats, messages, and what happens when a connection is lost'),
      entry('glossary.md', 'Glossary', 'What the words mean'),
    ],
  },
  {
    title: 'Build on it',
    entries: [
      entry(
        'client.md',
        'Client library',
        'For browsers and Node.js: what it promises, accounts, approval, encryption',
      ),
      entry('protocol.md', 'Protocol', 'The rules, for writing a client of your own in any language'),
      entry(
        'protocol-reference.md',
        'Protocol reference',
        'Every command, event, error, limit and closing reason, with all fields',
      ),
      entry('http-reference.md', 'HTTP reference', 'Every route for users, backends and operators, with all fields'),
    ],
  },
  {
    title: 'Run it',
    entries: [
      entry('deployment.md', 'Deployment', 'Containers, Kubernetes, nginx, systemd, Prometheus, Grafana'),
      entry(
        'operations.md',
        'Operations',
        'Configuration, backup, health, metrics, and what to do when something is wrong',
      ),
      entry('capacity.md', 'Capacity', 'What it takes from 10,000 to 10 million users, on paper'),
      entry('security.md', 'Security', 'What is defended, and what proves it'),
    ],
  },
  {
    title: 'Look closer',
    entries: [
      entry('reliability.md', 'Reliability', 'The promise, the faults it was held against, and how to do them again'),
      entry('performance.md', 'Performance', 'What it costs, measured'),
      entry('architecture.md', 'Architecture', 'How it is built, and what may know what'),
      entry('decisions.md', 'Decisions', 'What was decided, what else was weighed, and why'),
    ],
  },
];

/** @param {string} file @param {string} title @param {string} line @returns {Entry} */
function entry(file, title, line) {
  return { file, title, line };
}
