import type { ConsoleEvents } from '../../protocol/console.ts';
import { closeDialogs } from '../view/dialog.ts';
import { button, element, setText, show } from '../view/dom.ts';
import { announcer } from './announcer.ts';
import { failureText } from './failure-text.ts';
import { ConsoleLink } from './link.ts';
import { navigation } from './navigation.ts';
import { overviewView } from './overview-view.ts';
import { routeOf } from './route.ts';
import type { Route } from './route.ts';
import type { Desk, Screen } from './screen.ts';
import { sessionView } from './session-view.ts';
import { sessionsView } from './sessions-view.ts';
import { signInView } from './sign-in-view.ts';
import { CONSOLE_TEXTS, linkText, refusalText } from './texts.ts';
import { usersView } from './users-view.ts';

const TOLD_MS = 8_000;

function startConsole(): void {
  const main = byId('main');
  const link = new ConsoleLink({ changed: () => linkChanged(), instances: (report) => reported(report) });
  const heard = announcer();
  const outcome = outcomeView();
  const desk: Desk = {
    ask: link.ask,
    announcer: heard,
    run: async (command, done) => {
      try {
        await command();
        outcome.tell(done, false);
        return true;
      } catch (error) {
        outcome.tell(failureText(error), true);
        return false;
      }
    },
  };
  const nav = navigation();
  const forget = button(CONSOLE_TEXTS.forget, 'quiet', () => forgetToken());
  byId('tools').append(nav.element, forget);

  const signIn = signInView(
    (typed) => {
      isOpen = false;
      link.open(typed);
    },
    () => forgetToken(),
  );
  let screens = makeScreens();
  let current: { readonly screen: Pick<Screen, 'element' | 'heading' | 'close'> } | null = null;
  /** Whether this token has been taken once. */
  let isOpen = false;
  let lastReportAt: string | null = null;

  main.replaceChildren(outcome.element, signIn.element, heard.element);

  function makeScreens() {
    return {
      overview: overviewView(desk),
      sessions: sessionsView(desk),
      session: sessionView(desk),
      users: usersView(desk),
    };
  }

  function reported(report: ConsoleEvents['console:instances']): void {
    lastReportAt = report.at;
    screens.overview.report(report);
  }

  function linkChanged(): void {
    const { state } = link;
    if (state.kind === 'online' && !isOpen) openConsole();
    if (state.kind === 'refused') {
      const why = refusalText(state.error, isOpen);
      closeConsole();
      signIn.update(false, why);
      signIn.focus();
    } else if (!isOpen) signIn.update(state.kind === 'connecting' || state.kind === 'lost', '');
    byId('status').dataset['state'] = state.kind === 'lost' ? 'reconnecting' : 'online';
    setText(byId('status-text'), linkText(state, lastReportAt));
    document.body.dataset['stale'] = String(isOpen && state.kind !== 'online');
  }

  function openConsole(): void {
    isOpen = true;
    show(signIn.element, false);
    show(byId('tools'), true);
    goTo(routeOf(location.hash));
  }

  function forgetToken(): void {
    closeConsole();
    link.close();
    signIn.focus();
  }

  /** With the token goes all that it has shown. */
  function closeConsole(): void {
    closeDialogs();
    current?.screen.close();
    current?.screen.element.remove();
    current = null;
    if (isOpen) screens = makeScreens();
    isOpen = false;
    lastReportAt = null;
    outcome.clear();
    show(byId('tools'), false);
    show(signIn.element, true);
    document.title = CONSOLE_TEXTS.title;
  }

  function goTo(route: Route): void {
    closeDialogs();
    current?.screen.close();
    const screen = screens[route.kind];
    if (current?.screen !== screen) {
      current?.screen.element.remove();
      main.insertBefore(screen.element, heard.element);
    }
    current = { screen };
    nav.update(route);
    document.title = `${screen.heading.textContent} - ${CONSOLE_TEXTS.title}`;
    if (route.kind === 'session') screens.session.open(route.sessionId);
    else if (route.kind === 'users') screens.users.open(route.userId);
    else if (route.kind === 'sessions') screens.sessions.open();
    else screens.overview.open();
    screen.heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  addEventListener('hashchange', () => {
    if (isOpen) goTo(routeOf(location.hash));
  });
  addEventListener('online', () => link.retryNow());
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') link.retryNow();
  });

  show(byId('tools'), false);
  signIn.update(false, '');
  signIn.focus();
}

/** What became of a command: said in sight, and gone after a while unless it failed. */
function outcomeView() {
  const text = element('p', {});
  const line = element(
    'div',
    { class: 'notice remark outcome' },
    text,
    button('Close', 'quiet', () => clear()),
  );
  // There from the start: screen readers announce only what changes in a region that they know.
  const region = element('div', { class: 'outcomes', attributes: { role: 'status' } });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const clear = (): void => {
    clearTimeout(timer);
    line.remove();
  };
  return {
    element: region,
    clear,
    tell: (said: string, isFailure: boolean) => {
      clear();
      setText(text, said);
      line.dataset['failed'] = String(isFailure);
      region.append(line);
      if (!isFailure) timer = setTimeout(clear, TOLD_MS);
    },
  };
}

function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

startConsole();
