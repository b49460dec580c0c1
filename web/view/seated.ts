import type { ConnectionState, TandemError, TandemSession } from '../../client/index.ts';
import type { ConversationView } from '../conversation/view.ts';
import type { WaitingKnock } from '../knocks.ts';
import { element, show } from './dom.ts';
import type { PanelView } from './panel.ts';

export interface SeatedView {
  readonly element: HTMLElement;
  update: (
    session: TandemSession | null,
    waiting: readonly WaitingKnock[],
    fault: TandemError | null,
    connection: ConnectionState,
  ) => void;
  focus: () => void;
}

/** The screen of a session: the session itself, and what is said in it. */
export function seatedView(panel: PanelView, conversation: ConversationView): SeatedView {
  let shown: TandemSession | null = null;
  /** Whether there is a conversation to see: nobody else was here yet, so there is nothing said either. */
  let isNew = true;
  const view = element('div', { class: 'seated' }, panel.element, conversation.element);

  const change = (session: TandemSession | null): void => {
    if (session === shown) return;
    if (shown !== null) conversation.forget();
    shown = session;
    isNew = true;
    panel.fold();
    if (session !== null) conversation.open(session);
  };

  return {
    element: view,
    update: (session, waiting, fault, { kind }) => {
      change(session);
      show(view, session !== null);
      if (session === null) {
        delete document.body.dataset.layout;
        return;
      }
      const { info } = session;
      isNew &&= info.status === 'waiting' && info.lastSeq === 0 && session.queue.length === 0;
      show(conversation.element, !isNew);
      document.body.dataset.layout = isNew ? 'invite' : info.status === 'waiting' ? 'invite-talk' : 'talk';
      panel.update(session, waiting, fault, kind === 'online' || kind === 'draining');
      conversation.update();
    },
    focus: () => {
      const canTalk = shown !== null && shown.info.status !== 'waiting' && !shown.isClosed && shown.ended === null;
      if (canTalk) conversation.focus();
      else panel.focus();
    },
  };
}
