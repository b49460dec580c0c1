//@ts-check
/**
 * The page on the phone. What it sends, and why as a message or as a signal, is in ../commands.js.
 */
import { MAX_AGE_MS, describe } from '../commands.js';
import { element } from '../element.js';
import { TANDEM_URL, TandemClient, TandemError, codeInFragment } from '../tandem.js';
import { Pad } from './pad.js';

/**
 * @typedef {import('../commands.js').Commands} Commands
 * @typedef {import('../tandem.js').TandemSession<Commands, import('../commands.js').Signals>} PhoneSession
 */

/** @type {TandemClient<Commands, import('../commands.js').Signals>} */
const client = new TandemClient({
  url: TANDEM_URL,
  // A message waits while there is no connection, for a day unless told otherwise. A command is useless much sooner:
  // then it is taken out of the queue, and `failed` says so.
  queue: { maxAgeMs: MAX_AGE_MS },
  // Both pages of this example have the same origin, and might be open in one tab, one after the other.
  storageKey: 'remote-control-phone',
});

const page = {
  status: element('status', HTMLElement),
  join: element('join', HTMLElement),
  code: element('code', HTMLInputElement),
  name: element('name', HTMLInputElement),
  remote: element('remote', HTMLElement),
  shown: element('shown', HTMLElement),
  slide: element('slide', HTMLInputElement),
  queue: element('queue', HTMLElement),
  news: element('news', HTMLElement),
};

page.join.addEventListener('submit', (event) => {
  event.preventDefault();
  void join(page.code.value);
});
element('previous', HTMLButtonElement).addEventListener('click', () => send('previous', null));
element('next', HTMLButtonElement).addEventListener('click', () => send('next', null));
element('goto', HTMLElement).addEventListener('submit', (event) => {
  event.preventDefault();
  send('goto', { slide: page.slide.valueAsNumber });
});
element('leave', HTMLButtonElement).addEventListener('click', () => void client.session?.leave());
new Pad(element('pad', HTMLElement), (position) => {
  // The next position replaces this one anyway.
  client.session?.signal('pointer', position).catch(() => {});
});

arrive();

/** What the page finds when it is opened: a code in its address, a seat from before a reload, or nothing. */
function arrive() {
  // The link of another session in the same tab changes only the fragment, which does not load the page.
  addEventListener('hashchange', () => location.reload());
  const invitation = codeInFragment(location.hash);
  const restored = client.restore();
  if (invitation !== null) {
    // The code has done its work: a reload must not join again.
    history.replaceState(null, '', location.pathname);
    page.code.value = invitation;
    // Whoever opens another link wants that screen. Should the server not hear of it, the old seat runs out by itself.
    void restored?.leave();
    void join(invitation);
  } else if (restored !== null) {
    enter(restored);
  }
}

/** @param {string} code as it was typed, or the fragment of a link */
async function join(code) {
  say('Joining …');
  try {
    const name = page.name.value.trim();
    enter(await client.join(code, name === '' ? {} : { name }));
    say('');
  } catch (error) {
    say(reasonOf(error));
  }
}

/** @param {PhoneSession} session */
function enter(session) {
  page.join.hidden = true;
  page.remote.hidden = false;
  const stopFollowing = client.on('connection', () => sayState(session));

  session.on('signal', (signal) => {
    if (signal.type === 'late') tell(`The screen was away for too long and left “${signal.body.command}” out.`);
    if (signal.type !== 'shown') return;
    const { slide, of, title } = signal.body;
    page.shown.textContent = `Slide ${slide} of ${of}: ${title}`;
    page.slide.max = String(of);
  });
  // The queue holds what the server has not confirmed yet.
  session.on('queue', (queue) => {
    const names = queue.map(({ type, body }) => describe(type, body));
    page.queue.textContent = names.length === 0 ? '' : `On its way: ${names.join(', ')}`;
  });
  session.on('failed', ({ type, body, error }) => {
    tell(`“${describe(type, body)}” was given up: ${reasonOf(error)}`);
  });
  // Without a screen there is nothing to control. (The server makes the first of the phones the host then.)
  session.on('left', ({ participant }) => {
    if (participant?.role === 'host' && session.ended === null) void session.leave();
  });
  session.on('changed', () => sayState(session));
  session.on('ended', ({ reason }) => {
    stopFollowing();
    page.join.hidden = false;
    page.remote.hidden = true;
    page.code.value = '';
    say(reason === 'left' ? 'You have left.' : 'The session is over.');
  });
  sayState(session);
}

/**
 * @template {keyof Commands} T
 * @param {T} type
 * @param {Commands[T]} body
 */
function send(type, body) {
  tell('');
  // Why a command was given up is said by the event `failed`, which also comes for one from before a reload.
  client.session?.send(type, body).catch(() => {});
}

/** The one thing about the connection that matters most now. @param {PhoneSession} session */
function sayState(session) {
  const screen = session.info.participants.find(({ role }) => role === 'host');
  if (session.isClosed) say('The session is over.');
  else if (client.connection.kind === 'reconnecting') say('The connection is lost; it is tried again.');
  else if (screen?.presence === 'away') say('The screen is away. Commands wait for it for 10 seconds.');
  else say('');
}

/** @param {unknown} error */
function reasonOf(error) {
  if (!(error instanceof TandemError)) return 'Something went wrong in this page.';
  switch (error.code) {
    case 'INVALID_PAYLOAD':
      return 'This is no code: codes are made of digits and consonants, such as BCD-234.';
    case 'SESSION_NOT_FOUND':
      return 'There is no screen with this code. Codes are good for 15 minutes.';
    case 'SESSION_FULL':
      return 'Four phones control this screen already.';
    case 'SESSION_CLOSED':
      return 'The session is over.';
    case 'RATE_LIMITED':
      return `That was too often. Try again in ${Math.ceil((error.retryAfterMs ?? 0) / 1000)} seconds.`;
    case 'UNAVAILABLE':
      return 'the server could not be reached in time.';
    default:
      return error.message;
  }
}

/** What became of a command. @param {string} text */
function tell(text) {
  page.news.textContent = text;
}

/** How things stand. @param {string} text */
function say(text) {
  page.status.textContent = text;
}
