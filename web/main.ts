import { Account } from '../client/account.ts';
import { formatCode, TandemClient } from '../client/index.ts';
import type { TandemSession } from '../client/index.ts';
import { DeviceSeats } from './account/device-seats.ts';
import { ACCOUNT_TEXTS } from './account/texts.ts';
import { accountView } from './account/view.ts';
import { Activity } from './activity.ts';
import { conversationView } from './conversation/view.ts';
import { PageSeat } from './page-seat.ts';
import type { Phase } from './page-seat.ts';
import { readTyped } from './pairing-text.ts';
import type { PairingText } from './pairing-text.ts';
import { scannerFault } from './scanner.ts';
import { TEXTS, unreadableText } from './texts.ts';
import { closeDialogs } from './view/dialog.ts';
import { show } from './view/dom.ts';
import { openingView } from './view/opening.ts';
import { panelView } from './view/panel.ts';
import { remarksView } from './view/remarks.ts';
import { scan } from './view/scan.ts';
import { seatedView } from './view/seated.ts';
import { startView } from './view/start.ts';
import { statusView } from './view/status.ts';
import { takeOverView } from './view/take-over.ts';

const NAME_KEY = 'tandem.name';
/** Countdowns are told in seconds. */
const TICK_MS = 1_000;

function startPage(): void {
  const main = byId('main');
  const remarks = remarksView();
  const account = new Account();
  const client = new TandemClient({ token: account.token });
  account.follow(client);
  const seat = new PageSeat(client, {
    changed: scheduleUpdate,
    unstored: () => remarks.add(TEXTS.unstored),
  });
  const seats = new DeviceSeats(localStorageOrNull());
  const accounts = accountView(byId('account'), {
    account,
    sessions: () => ({
      currentId: seat.session?.id ?? null,
      canResume: (id) => seat.session === null && seats.handoverOf(id) !== null,
      resume: (id) => void resumeSeat(id),
    }),
    hasSeat: isUsersSeat,
    leaving: async () => {
      if (isUsersSeat()) await seat.leave();
      seats.clear();
    },
    remark: (text) => void remarks.add(text),
  });
  const activity = new Activity(() => Date.now());
  const names = localNames();
  const status = statusView(byId('status'), byId('status-text'), continueHere);
  const start = startView(names.load(), {
    create: ({ encrypt, approval }) => {
      names.save(start.name);
      void seat.open({ kind: 'create', name: start.name, encrypt, approval });
    },
    join: (typed) => enter(readTyped(typed, location.origin)),
    scan: () => scan(enter),
  });
  const asking = takeOverView(
    () => {
      if (seat.phase.kind === 'asking') void seat.open({ kind: 'take_over', handover: seat.phase.handover });
    },
    () => seat.cancel(),
  );
  const opening = openingView(() => seat.cancel());
  const panel = panelView({
    run: (command) => void seat.command(command),
    leave: () => void seat.leave(),
    answerKnock: (knockId, admit) => void seat.answerKnock(knockId, admit),
  });
  const seated = seatedView(panel, conversationView());
  main.append(remarks.element, start.element, asking.element, opening.element, seated.element);

  let isScheduled = false;
  let shown: string | null = null;
  let seatedIn: TandemSession | null = null;
  /** The refusal for which a sign-in was asked: once for each. */
  let askedFor: unknown = null;
  /** What was joined last: who tries the same code again after a refusal needs its key again. */
  let invitation: (PairingText & { kind: 'invitation' }) | null = null;
  /** Takes back what was said about a link that was opened while this tab had a seat. */
  let unsayLink: (() => void) | null = null;

  function scheduleUpdate(): void {
    if (isScheduled) return;
    isScheduled = true;
    queueMicrotask(() => {
      isScheduled = false;
      update();
    });
  }

  function update(): void {
    const { phase, connection, session } = seat;
    status.update(connection, session !== null, session?.ended ?? null);
    show(start.element, phase.kind === 'start');
    show(asking.element, phase.kind === 'asking');
    show(opening.element, phase.kind === 'opening');
    const { waiting } = seat;
    seated.update(session, waiting, seat.commandFault, connection);
    // Seen from another tab too: the wait is short.
    const title = waiting.length === 0 ? TEXTS.title : TEXTS.knocks.title(waiting.length);
    if (document.title !== title) document.title = title;
    if (phase.kind === 'start') start.update(phase.notice);
    else if (phase.kind === 'opening') opening.update(phase, connection, seat.askedForMs);
    const isThere = session !== null && !session.isClosed && session.ended === null && connection.kind === 'online';
    activity.update(isThere ? session : null);
    accounts.update();
    // Of the one before too: how it ended decides whether it can come back.
    for (const one of new Set([seatedIn, session])) if (one !== null) seats.update(one, account.user?.id ?? null);
    seatedIn = session;
    moveFocus(phase);
    askToSignIn(phase);
  }

  /** The server lets nobody in without: then what was wanted follows the sign-in. */
  function askToSignIn(phase: Phase): void {
    if (phase.kind !== 'start' || phase.notice?.kind !== 'refused' || phase.notice === askedFor) return;
    if (phase.notice.error.code !== 'UNAUTHENTICATED') return;
    askedFor = phase.notice;
    accounts.signIn({ why: ACCOUNT_TEXTS.serverAsks, done: () => void seat.openAgain() });
  }

  /** A seat whose tab is gone, or in another one. */
  async function resumeSeat(sessionId: string): Promise<void> {
    await seat.open({ kind: 'take_over', handover: seats.handoverOf(sessionId) ?? '' });
    const { phase } = seat;
    const notice = phase.kind === 'start' ? phase.notice : null;
    if (notice?.kind === 'refused' && notice.error.code === 'RESUME_REJECTED') seats.forget(sessionId);
  }

  function continueHere(): void {
    const { session } = seat;
    const needsUser = session !== null && session.ended?.reason !== 'replaced' && account.user === null;
    if (needsUser) accounts.signIn({ why: ACCOUNT_TEXTS.seatAsks, done: () => session.resumeHere() });
    else session?.resumeHere();
  }

  /** Whether signing out ends the seat of the moment: one that was taken as a guest goes on. */
  function isUsersSeat(): boolean {
    const { session } = seat;
    if (session === null || session.isClosed) return false;
    return session.info.participants.some(({ id, userId }) => id === session.participantId && userId !== null);
  }

  /** To where the new screen begins, once for each screen: the keyboard and a screen reader follow. */
  function moveFocus(phase: Phase): void {
    const screen = phase.kind === 'seated' ? seatedScreen(phase.session) : phase.kind;
    if (screen === shown) return;
    const isFirst = shown === null;
    shown = screen;
    // What a dialog asks for cannot be had any more.
    if (phase.kind !== 'seated' || phase.session.isClosed) closeDialogs();
    if (phase.kind !== 'seated') unsayLink?.();
    const views = { start, asking, opening, seated };
    // A page that was just opened begins at its top by itself.
    if (!isFirst || phase.kind !== 'start') views[phase.kind].focus();
  }

  /** By a code or link, however it came here. */
  function enter(text: PairingText): void {
    switch (text.kind) {
      case 'unreadable':
        start.setFault(unreadableText(text.fault));
        return;
      case 'handover':
        seat.ask(text.handover);
        return;
      case 'invitation':
        if (text.secret !== null || invitation?.code !== text.code) invitation = text;
        start.prefill(formatCode(text.code));
        names.save(start.name);
        void seat.open({ kind: 'join', name: start.name, code: text.code, secret: invitation.secret });
    }
  }

  /** A link was opened, by loading the page or while it is there. */
  function followFragment(): void {
    const { hash } = location;
    if (hash === '' || hash === '#') return;
    // Out of sight at once, since it can hold a key; and so that a reload returns to the seat instead of joining again.
    history.replaceState(null, '', location.pathname);
    if (seat.session === null) {
      seat.cancel();
      enter(readTyped(hash, location.origin));
      return;
    }
    unsayLink?.();
    unsayLink = remarks.add(TEXTS.stillSeated);
  }

  for (const event of ['signedIn', 'signedOut'] as const) account.on(event, scheduleUpdate);
  account.on('signedIn', ({ user }) => start.suggestName(user.name ?? ''));
  account.on('signedOut', () => seats.clear());
  if (account.user !== null) start.suggestName(account.user.name ?? '');
  seat.restore();
  followFragment();
  update();
  void scannerFault().then((fault) => start.setScanner(fault));
  window.addEventListener('hashchange', followFragment);
  for (const event of ['online', 'offline']) window.addEventListener(event, scheduleUpdate);
  for (const event of ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchmove']) {
    document.addEventListener(event, () => activity.input(), { passive: true, capture: true });
  }
  document.addEventListener('visibilitychange', () => {
    activity.setHidden(document.hidden);
    update();
  });
  setInterval(update, TICK_MS);
}

/** Nothing of what was in use is left when the session is over or the seat is elsewhere. */
function seatedScreen({ info, ended }: TandemSession): string {
  return `seated ${info.status}${ended === null ? '' : ' without a seat'}`;
}

function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no element with the id "${id}"`);
  return found;
}

/** Null where the browser forbids storage: reading the property alone throws there. */
function localStorageOrNull(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

/** The name that was used last in this browser. Reading `localStorage` alone throws where storage is forbidden. */
function localNames(): { load: () => string; save: (name: string) => void } {
  return {
    load: () => {
      try {
        return localStorage.getItem(NAME_KEY) ?? '';
      } catch {
        return '';
      }
    },
    save: (name) => {
      try {
        localStorage.setItem(NAME_KEY, name);
      } catch {
        // Full or forbidden: the name is typed again next time.
      }
    },
  };
}

startPage();
