import { codeInFragment, formatCode, parseCode } from './code.ts';
import type { OpeningWish } from './opening.ts';
import { SeatStore } from './seat.ts';
import { SessionClient } from './session-client.ts';
import type { Phase } from './session-client.ts';
import { TEXTS } from './texts.ts';
import { conversationView } from './view/conversation.ts';
import { button, element, setText, show } from './view/dom.ts';
import { inviteView } from './view/invite.ts';
import { openingView } from './view/opening.ts';
import { startView } from './view/start.ts';
import { statusView } from './view/status.ts';

const NAME_KEY = 'tandem.name';
/** Countdowns are told in seconds. */
const TICK_MS = 1_000;

function startPage(): void {
  const main = byId('main');
  const client = new SessionClient(new SeatStore(storageOf('sessionStorage')), scheduleUpdate);
  const names = storageOf('localStorage');
  const status = statusView(byId('status'), byId('status-text'), () => client.continueHere());
  const start = startView(nameIn(names), (wish) => open(wish));
  const opening = openingView(() => client.cancel());
  const invite = inviteView(() => void client.reopen());
  const conversation = conversationView(client);
  const remarkText = element('p', { attributes: { role: 'alert' } });
  const close = button(TEXTS.close, 'quiet', () => setRemark(''));
  const remark = element('div', { class: 'notice remark' }, remarkText, close);
  const seated = element('div', { class: 'seated' }, invite.element, conversation.element);
  main.append(remark, start.element, opening.element, seated);
  setRemark('');

  let isScheduled = false;
  let shown = '';
  /** The code of a link that was opened while this tab had a seat. */
  let linked: string | null = null;

  function scheduleUpdate(): void {
    if (isScheduled) return;
    isScheduled = true;
    queueMicrotask(() => {
      isScheduled = false;
      update();
    });
  }

  function update(): void {
    const { phase, connection } = client;
    status.update(connection.link, phase.kind === 'seated');
    show(start.element, phase.kind === 'start');
    show(opening.element, phase.kind === 'opening' || phase.kind === 'returning');
    show(seated, phase.kind === 'seated');
    if (phase.kind !== 'seated') delete document.body.dataset.layout;
    if (phase.kind === 'start') start.update(phase.notice);
    else if (phase.kind === 'seated') updateSeated(phase);
    else opening.update(phase, connection.link);
    moveFocus(phase);
  }

  function updateSeated({ joined }: Phase & { kind: 'seated' }): void {
    const { session } = joined;
    if (session === null) return;
    const isMoved = client.connection.link.kind === 'ended';
    const isWaiting = session.status === 'waiting';
    const { log, outbox } = joined.delivery;
    const isInviting = !joined.isClosed && !isMoved && (isWaiting || session.code !== null);
    const isNew = isWaiting && log.messages.length + outbox.entries.length + joined.notes.length === 0;
    invite.update(session, joined.isHost);
    show(invite.element, isInviting);
    conversation.update(joined, isMoved);
    document.body.dataset.layout = layoutOf(isInviting, isWaiting, isNew);
  }

  /** To where the new screen begins, once for each screen: the keyboard and a screen reader follow. */
  function moveFocus(phase: Phase): void {
    const screen = phase.kind === 'seated' ? `seated ${phase.joined.session?.status ?? ''}` : phase.kind;
    if (screen === shown) return;
    const before = shown;
    shown = screen;
    if (phase.kind === 'seated') (phase.joined.session?.status === 'waiting' ? invite : conversation).focus();
    else if (phase.kind !== 'start') opening.focus();
    else if (before !== '') start.focus();
    if (phase.kind === 'start') takeUpLink(before === 'returning');
  }

  function open(wish: OpeningWish): void {
    keepName(names, wish.name);
    void client.open(wish);
  }

  function setRemark(text: string): void {
    setText(remarkText, text);
    show(remark, text !== '');
  }

  /** A pairing link was opened, by loading the page or while it is there. */
  function followFragment(): void {
    const typed = codeInFragment(location.hash);
    if (typed === null) return;
    // So that a reload returns to the seat instead of joining again.
    history.replaceState(null, '', location.pathname);
    if (client.phase.kind === 'start') {
      start.joinWith(typed);
      return;
    }
    linked = typed;
    const code = parseCode(typed);
    setRemark(TEXTS.stillSeated(code.kind === 'code' ? formatCode(code.code) : typed));
  }

  /** The seat that was in the way of a link is gone: by itself, then the link is followed, or by the user's own doing. */
  function takeUpLink(isSeatLost: boolean): void {
    setRemark('');
    if (linked === null) return;
    if (isSeatLost) start.joinWith(linked);
    else start.prefill(linked);
    linked = null;
  }

  client.returnToSeat();
  update();
  followFragment();
  window.addEventListener('hashchange', followFragment);
  window.addEventListener('online', scheduleUpdate);
  window.addEventListener('offline', scheduleUpdate);
  setInterval(update, TICK_MS);
}

/** What a session shows, and what of it first; the style sheet has a layout for each. */
function layoutOf(isInviting: boolean, isWaiting: boolean, isNew: boolean): string {
  if (!isInviting) return 'talk';
  if (isNew) return 'invite';
  return isWaiting ? 'invite-talk' : 'talk-invite';
}

function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no element with the id "${id}"`);
  return found;
}

/** Null where the browser forbids storage: reading the property alone throws there. */
function storageOf(kind: 'sessionStorage' | 'localStorage'): Storage | null {
  try {
    return window[kind];
  } catch {
    return null;
  }
}

function nameIn(storage: Storage | null): string {
  return storage?.getItem(NAME_KEY) ?? '';
}

function keepName(storage: Storage | null, name: string): void {
  try {
    storage?.setItem(NAME_KEY, name);
  } catch {
    // Full or forbidden: the name is typed again next time.
  }
}

startPage();
