//@ts-check
/**
 * The page with the slides. It opens a session, shows how to join it, and does what the phones say.
 */
import { MAX_AGE_MS, describe, slideIn } from './commands.js';
import { element } from './element.js';
import { phoneNames } from './phone-names.js';
import { Pointers } from './pointers.js';
import { PunctualCommands } from './punctual-commands.js';
import { qrCode } from './qr-code.js';
import { Show } from './show.js';
import { TANDEM_URL, TandemClient, formatCode } from './tandem.js';

/**
 * @typedef {import('./punctual-commands.js').ScreenSession} ScreenSession
 * @typedef {import('./punctual-commands.js').Command} Command
 */

/** This screen, and four phones. */
const CAPACITY = 5;

/** @type {TandemClient<import('./commands.js').Commands, import('./commands.js').Signals>} */
const client = new TandemClient({ url: TANDEM_URL });
const show = new Show();
const pointers = new Pointers(element('pointers', HTMLElement));
const status = element('status', HTMLElement);
const newCode = element('new-code', HTMLButtonElement);
const newSession = element('new-session', HTMLButtonElement);

/** Whoever stands at the screen needs no phone. @param {number} slide */
function goByHand(slide) {
  show.go(slide);
  tellWhatIsShown();
}
element('next', HTMLButtonElement).addEventListener('click', () => goByHand(show.slide + 1));
element('previous', HTMLButtonElement).addEventListener('click', () => goByHand(show.slide - 1));
addEventListener('keydown', ({ key }) => {
  if (key === 'ArrowRight' || key === 'PageDown') goByHand(show.slide + 1);
  if (key === 'ArrowLeft' || key === 'PageUp') goByHand(show.slide - 1);
});
newCode.addEventListener('click', () => {
  client.session?.reopen().catch((/** @type {Error} */ error) => say(error.message));
});
newSession.addEventListener('click', () => void create());

// After a reload the seat is still there, and the session goes on where it was.
const restored = client.restore();
if (restored === null) void create();
else enter(restored, { isNew: false });

async function create() {
  newSession.hidden = true;
  say('Opening a session …');
  try {
    const session = await client.create({ name: 'Screen', capacity: CAPACITY });
    say('');
    enter(session, { isNew: true });
  } catch (error) {
    // The library has tried again whatever time alone could heal.
    over(error instanceof Error ? error.message : 'There is no session.');
  }
}

/**
 * @param {ScreenSession} session
 * @param {{ isNew: boolean }} options
 */
function enter(session, { isNew }) {
  show.begin(session.id);
  const commands = new PunctualCommands(session, carryOut, leaveOut);
  if (!isNew) commands.away();
  const stopFollowing = client.on('connection', ({ kind }) => follow(kind));
  /** @param {string} kind */
  function follow(kind) {
    if (kind === 'online') commands.back();
    else if (kind !== 'draining') commands.away();
    say(kind === 'reconnecting' ? 'The connection to the server is lost; it is tried again.' : '');
  }
  follow(client.connection.kind);

  session.on('message', (message) => commands.receive(message));
  session.on('signal', ({ from, type, body }) => {
    if (type === 'pointer') pointers.move(from, nameOf(session, from), body);
  });
  session.on('changed', () => update(session));
  // The server closes a session in which nothing happens; one slide may stand for long.
  session.on('idle', ({ closesAt }) => {
    const isWatched = session.info.participants.some(
      ({ id, presence }) => isPhone(session, id) && presence === 'online',
    );
    if (closesAt !== null && isWatched) session.reportActivity('active').catch(() => {});
  });
  session.on('closed', () => over('The session is over.'));
  session.on('ended', ({ reason }) => {
    stopFollowing();
    over(reason === 'replaced' ? 'This session goes on in another tab.' : 'The session is over.');
  });
  update(session);
}

/** @param {Command} command */
function carryOut(command) {
  if (command.type === 'next') show.go(show.slide + 1, command);
  else if (command.type === 'previous') show.go(show.slide - 1, command);
  else show.go(slideIn(command.body) ?? show.slide, command);
  tellWhatIsShown();
}

/** @param {Command} command */
function leaveOut(command) {
  const { session } = client;
  if (session === null) return;
  const name = describe(command.type, command.body);
  const seconds = MAX_AGE_MS / 1000;
  say(`“${name}” of ${nameOf(session, command.from)} came more than ${seconds} seconds late and was left out.`);
  session.signal('late', { command: name }, { to: command.from }).catch(() => {});
}

/** Said again with every change, so it does not matter that a signal may be lost. */
function tellWhatIsShown() {
  const { session } = client;
  if (session === null || session.isClosed) return;
  session.signal('shown', { slide: show.slide, of: show.count, title: show.title }).catch(() => {});
}

/** Who is here, and how to join. @param {ScreenSession} session */
function update(session) {
  const { code, participants } = session.info;
  const isOver = session.isClosed || session.ended !== null;
  const link = isOver ? null : session.link(`${location.origin}/phone`);
  element('join', HTMLElement).hidden = link === null;
  // A code is good for some minutes only, and only while a seat is free.
  newCode.hidden = isOver || link !== null || participants.length >= session.info.capacity;
  if (isOver) over('The session is over.');

  const anchor = element('link', HTMLElement);
  if (link !== null && code !== null && anchor.textContent !== link) {
    element('code', HTMLElement).textContent = formatCode(code);
    anchor.setAttribute('href', link);
    anchor.textContent = link;
    element('qr', HTMLElement).replaceChildren(qrCode(link) ?? '');
  }

  const entries = participants
    .filter(({ id }) => isPhone(session, id))
    .map(({ id, presence }) => {
      const entry = document.createElement('li');
      entry.textContent = `${nameOf(session, id)}: ${presence === 'online' ? 'connected' : 'away'}`;
      return entry;
    });
  element('phones', HTMLElement).replaceChildren(...entries);
  pointers.keep(participants.map(({ id }) => id));
  tellWhatIsShown();
}

/** @param {ScreenSession} session @param {string} id */
function isPhone(session, id) {
  return id !== session.participantId;
}

/** @param {ScreenSession} session @param {string} id */
function nameOf(session, id) {
  return phoneNames(session.info.participants).get(id) ?? 'a phone that has left';
}

/** @param {string} reason */
function over(reason) {
  say(reason);
  newSession.hidden = false;
  newCode.hidden = true;
  element('join', HTMLElement).hidden = true;
}

/** @param {string} text */
function say(text) {
  status.textContent = text;
}
