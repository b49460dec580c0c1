//@ts-check
/**
 * The page of a call: pairing, buttons, and what people are told. How the browsers find each other is in call.js.
 */
import { Call } from './call.js';
import { element } from './element.js';
import { openMedia } from './media.js';
import { TANDEM_URL, TandemClient, codeInFragment, formatCode } from './tandem.js';
import { words } from './words.js';

/** @typedef {import('./call.js').CallSession} CallSession */

/** @type {TandemClient<{}, import('./call.js').CallSignals>} */
const client = new TandemClient({ url: TANDEM_URL });

const page = {
  connection: element('connection', HTMLElement),
  status: element('status', HTMLElement),
  create: element('create', HTMLButtonElement),
  join: element('join', HTMLElement),
  code: element('code', HTMLInputElement),
  ownCode: element('own-code', HTMLElement),
  link: element('link', HTMLInputElement),
  cancel: element('cancel', HTMLButtonElement),
  other: element('other', HTMLVideoElement),
  own: element('own', HTMLVideoElement),
  way: element('way', HTMLElement),
  otherSide: element('other-side', HTMLElement),
  ownSide: element('own-side', HTMLElement),
  mute: element('mute', HTMLButtonElement),
  sound: element('sound', HTMLButtonElement),
  hangUp: element('hang-up', HTMLButtonElement),
};

/** Asked for once and kept until the call is over. @type {Promise<import('./media.js').Media> | null} */
let media = null;
/** @type {Call | null} */
let call = null;

client.on('connection', ({ kind }) => {
  page.connection.textContent =
    kind === 'reconnecting'
      ? 'The connection to the server is lost; it is tried again. A call goes on without it.'
      : '';
});

page.create.addEventListener('click', () => void begin(() => client.create()));
page.join.addEventListener('submit', (event) => {
  event.preventDefault();
  void begin(() => client.join(page.code.value));
});
page.cancel.addEventListener('click', hangUp);
page.hangUp.addEventListener('click', hangUp);
page.mute.addEventListener('click', () => void toggleMute());
page.sound.addEventListener('click', () => {
  page.other.muted = false;
  page.sound.hidden = true;
});
page.link.addEventListener('focus', () => page.link.select());

arrive();

/** What the page finds when it is opened: an invitation in its address, a seat from before a reload, or nothing. */
function arrive() {
  // Another link of this example in the same tab changes only the fragment, which does not load the page.
  addEventListener('hashchange', () => location.reload());
  const invitation = codeInFragment(location.hash);
  const restored = client.restore();
  if (invitation === null) {
    if (restored !== null) enter(restored);
    else show('start');
    return;
  }
  // The code has done its work: a reload must not join again.
  history.replaceState(null, '', location.pathname);
  // Whoever opens another link wants that call. Should the server not hear of it, the old seat runs out by itself.
  void restored?.leave();
  // Not joined at once: nobody's camera should start because they opened a link.
  page.code.value = invitation;
  page.status.textContent = 'You are invited to a call. Press Join to take part.';
  show('start');
}

/** @param {() => Promise<CallSession>} open */
async function begin(open) {
  setBusy(true);
  page.status.textContent = 'One moment …';
  try {
    const session = await open();
    page.status.textContent = '';
    enter(session);
  } catch (error) {
    page.status.textContent = words(error);
  } finally {
    setBusy(false);
  }
}

/** @param {CallSession} session one that was created, joined or restored */
function enter(session) {
  // `changed` comes with every change of who is here, and after a reload with the first news from the server.
  session.on('changed', () => update(session));
  session.on('left', ({ reason }) => {
    void over(session, reason === 'left' ? 'The other side has hung up.' : 'The other side did not come back.');
  });
  session.on('closed', () => void over(session, 'The call is over.'));
  session.on('ended', ({ reason }) => {
    if (reason === 'replaced') finish('The call goes on in another tab.');
    else if (reason !== 'left') finish('The call is over.');
  });
  // The server closes a session in which nothing happens, and of what the browsers say to each other it hears nothing.
  session.on('idle', ({ closesAt }) => {
    if (closesAt !== null && call !== null) session.reportActivity('active').catch(() => {});
  });
  update(session);
}

/** Draws what holds now. @param {CallSession} session */
function update(session) {
  if (session.isClosed) {
    void over(session, 'The call is over.');
    return;
  }
  const other = session.info.participants.find(({ id }) => id !== session.participantId);
  if (other === undefined) {
    page.ownCode.textContent = session.info.code === null ? '' : formatCode(session.info.code);
    page.link.value = session.link(location.origin) ?? '';
    show('invite');
    return;
  }
  show('call');
  page.status.textContent = other.presence === 'away' ? 'The other side has lost its connection to the server.' : '';
  void startCall(session);
}

/** @param {CallSession} session */
async function startCall(session) {
  if (media !== null) return;
  const opening = openMedia();
  media = opening;
  const opened = await opening;
  // Asking for the camera takes as long as it takes; meanwhile somebody may have hung up.
  if (media !== opening) return;
  page.own.srcObject = opened.stream;
  page.ownSide.textContent = opened.words;
  page.mute.disabled = opened.stream.getAudioTracks().length === 0;
  call = new Call(
    session,
    opened.stream,
    { isMuted: false, picture: opened.picture },
    {
      onStream: (stream) => void play(stream),
      onState: (state) => {
        page.way.textContent = state === 'connected' ? '' : 'Looking for a way to the other side …';
      },
      onOtherSide: ({ isMuted, picture }) => {
        const facts = [picture === 'camera' ? '' : 'has no camera', isMuted ? 'is muted' : ''].filter(Boolean);
        page.otherSide.textContent = facts.length === 0 ? '' : `The other side ${facts.join(' and ')}.`;
      },
    },
  );
}

/** @param {MediaStream} stream */
async function play(stream) {
  if (page.other.srcObject === stream) return;
  page.other.srcObject = stream;
  try {
    await page.other.play();
  } catch (error) {
    // Browsers refuse sound to a page that nobody has touched yet, as after a reload. A picture they allow.
    if (!(error instanceof DOMException && error.name === 'NotAllowedError')) return;
    page.other.muted = true;
    page.sound.hidden = false;
    await page.other.play().catch(() => {});
  }
}

async function toggleMute() {
  if (media === null) return;
  const { stream, picture, words } = await media;
  const isMuted = page.mute.getAttribute('aria-pressed') === 'false';
  for (const track of stream.getAudioTracks()) track.enabled = !isMuted;
  page.mute.setAttribute('aria-pressed', String(isMuted));
  page.ownSide.textContent = isMuted ? 'You are muted.' : words;
  call?.tell({ isMuted, picture });
}

function hangUp() {
  if (client.session !== null) void over(client.session, 'You have hung up.');
}

/**
 * A call of two is over as soon as one has left, so both give up their seats. An empty session closes by itself.
 * @param {CallSession} session
 * @param {string} reason
 */
async function over(session, reason) {
  finish(reason);
  if (session.ended === null) await session.leave();
}

/** @param {string} reason */
function finish(reason) {
  call?.end();
  call = null;
  void media?.then(({ stream }) => stream.getTracks().forEach((track) => track.stop()));
  media = null;
  page.own.srcObject = null;
  page.other.srcObject = null;
  page.other.muted = false;
  page.sound.hidden = true;
  page.mute.setAttribute('aria-pressed', 'false');
  page.way.textContent = '';
  page.otherSide.textContent = '';
  page.code.value = '';
  page.status.textContent = reason;
  show('start');
}

/** @param {'start' | 'invite' | 'call'} section */
function show(section) {
  for (const name of ['start', 'invite', 'call']) element(name, HTMLElement).hidden = name !== section;
}

/** @param {boolean} isBusy */
function setBusy(isBusy) {
  for (const button of document.querySelectorAll('#start button')) button.toggleAttribute('disabled', isBusy);
}
