/** Approval: who waits at the door of a session, and what the host says. Pure, as the rules of session.ts. */
import {
  addSeat,
  asHost,
  findSeat,
  heldBy,
  isFull,
  isKicked,
  joinSession,
  keep,
  passing,
  withSeat,
  type HostRefusal,
  type JoinOutcome,
  type Knock,
  type KnockAnswer,
  type NewSeat,
  type Rule,
  type Seat,
  type SessionDocument,
} from './session.ts';

/** How long a knock waits for its answer. */
export const KNOCK_WAIT_MS = 60_000;
/** Kept a little longer: its joiner looks every 2 s, and must find what became of it. */
const KNOCK_KEPT_MS = KNOCK_WAIT_MS + 10_000;
/** More would be a crowd that no host can look through. */
const MAX_WAITING = 10;
/** Answered ones that are kept: more than one joiner and one lost answer each is a flood. */
const MAX_ANSWERED = 20;

export type EnterOutcome =
  | JoinOutcome
  /** `replaced`: the same knock as another connection made it before, which waits no longer. */
  | { kind: 'knocked'; knock: Knock; replaced: Knock | null }
  | { kind: 'too_many_knocks' }
  /** The knock of this key was answered, and its joiner missed that. */
  | { kind: 'denied' };

/** What a join does: it takes a seat, or knocks where the host decides. Refused alike in both cases. */
export function enterSession(code: string, guest: NewSeat, ip: string, retryHorizonMs: number): Rule<EnterOutcome> {
  const join = joinSession(code, guest, retryHorizonMs);
  return (session, context) => {
    const { now } = context;
    const known = knocksOf(session, now).find(({ newcomer }) => isSameKey(newcomer, guest));
    // Before the code is judged, which died with the kick: the answer that this knock earned is no miss.
    if (known?.answer?.kind === 'kicked') return keep({ kind: 'kicked' });
    const joined = join(session, context);
    // Where nobody is yet, nobody can say no: the first to come is host.
    if (!session.approval || session.seats.length === 0 || joined.outcome.kind !== 'joined') return joined;
    if (known?.answer?.kind === 'denied') return keep({ kind: 'denied' });
    // Full when it was admitted, and there is room now: as one who knocks anew.
    const replaced = known !== undefined && isWaiting(known, now) ? known : null;
    if (replaced === null && waitingKnocks(session, now).length >= MAX_WAITING)
      return keep({ kind: 'too_many_knocks' });
    const newcomer = { ...guest, id: replaced?.newcomer.id ?? guest.id };
    const knock: Knock = { newcomer, ip, at: now, answer: null };
    const others = knocksOf(session, now).filter((other) => other !== known);
    return passing(withKnocks(session, [...others, knock]), { kind: 'knocked', knock, replaced });
  };
}

export type AnswerOutcome =
  | HostRefusal
  | { kind: 'admitted'; knock: Knock; joined: JoinOutcome & { kind: 'joined' } }
  | { kind: 'denied'; knock: Knock }
  /** The host said the same before. */
  | { kind: 'repeated' }
  | { kind: 'session_full'; knock: Knock }
  | { kind: 'session_locked' }
  | { kind: 'unknown_knock' };

/** The host's answer. In a locked session nobody is admitted, and the knock goes on waiting. */
export function answerKnock(
  holder: Parameters<typeof asHost>[0],
  knockId: string,
  admit: boolean,
): Rule<AnswerOutcome> {
  return asHost<AnswerOutcome>(holder, (session, context) => {
    const { now } = context;
    const knock = findKnock(session, knockId);
    const said = knock?.answer?.kind;
    if (said === (admit ? 'admitted' : 'denied')) return keep({ kind: 'repeated' });
    if (knock === undefined || !isWaiting(knock, now)) return keep({ kind: 'unknown_knock' });
    const answered = (answer: KnockAnswer) => withAnswer(session, knock, answer, now);
    if (!admit) return passing(answered({ kind: 'denied' }), { kind: 'denied', knock });
    if (session.locked) return keep({ kind: 'session_locked' });
    // Kicked while the knock waited.
    if (isKicked(session, knock.newcomer.userId)) return keep({ kind: 'unknown_knock' });
    if (isFull(session)) return passing(answered({ kind: 'session_full' }), { kind: 'session_full', knock });
    const decision = addSeat(session, knock.newcomer, context);
    const { outcome: joined, document } = decision;
    const told = withAnswer(document, knock, { kind: 'admitted', paired: joined.paired }, now);
    return { ...decision, document: told, outcome: { kind: 'admitted', knock, joined } };
  });
}

/** What names a joiner to the rules: its knock, and which of its connections speaks. */
export interface Joiner {
  readonly knockId: string;
  readonly tokenHash: string;
  readonly instance: string;
}

export type KnockState =
  | { kind: 'waiting' }
  | { kind: 'admitted'; seat: Seat; paired: boolean; wasAway: boolean }
  | { kind: 'denied' }
  | { kind: 'session_full' }
  | { kind: 'session_closed' }
  | { kind: 'kicked' }
  | { kind: 'overdue' }
  /** The join was repeated, with its key, on another connection. */
  | { kind: 'moved' }
  /** The state forgot it (a restart, an outage), or its seat has ended. */
  | { kind: 'gone' };

/** How the knock stands. A seat that was admitted is the joiner's from here on, also when it counted as away. */
export function lookAtKnock({ knockId, tokenHash, instance }: Joiner): Rule<KnockState> {
  return (session, { now }) => {
    if (session.closed !== null) return keep({ kind: 'session_closed' });
    const seat = findSeat(session, knockId);
    const knock = findKnock(session, knockId);
    if ((seat ?? knock?.newcomer)?.tokenHash !== tokenHash) {
      return keep({ kind: seat === undefined && knock === undefined ? 'gone' : 'moved' });
    }
    if (seat !== undefined) {
      const paired = knock?.answer?.kind === 'admitted' && knock.answer.paired;
      if (seat.presence === 'online') return keep({ kind: 'admitted', seat, paired, wasAway: false });
      const taken = heldBy(seat, instance);
      return passing(withSeat(session, taken), { kind: 'admitted', seat: taken, paired, wasAway: true });
    }
    const answer = knock?.answer ?? null;
    if (answer !== null) return keep({ kind: answer.kind === 'admitted' ? 'gone' : answer.kind });
    // A kick whose answer was lost finds the knock as this process remembers it.
    if (isKicked(session, knock?.newcomer.userId ?? null)) return keep({ kind: 'kicked' });
    return keep({ kind: knock !== undefined && isWaiting(knock, now) ? 'waiting' : 'overdue' });
  };
}

/** The joiner has gone, or its time is over. What the host said before that holds. */
export function withdrawKnock(joiner: Joiner): Rule<KnockState | { kind: 'withdrawn' }> {
  const look = lookAtKnock(joiner);
  return (session, context) => {
    const looked = look(session, context);
    if (looked.outcome.kind !== 'waiting') return looked;
    const rest = knocksOf(session, context.now).filter(({ newcomer }) => newcomer.id !== joiner.knockId);
    return passing(withKnocks(session, rest), { kind: 'withdrawn' });
  };
}

/** The instance died with the connections that waited there: admitted now, a seat would have nobody behind it. */
export function withoutKnocksOf(session: SessionDocument, instance: string): SessionDocument {
  const isLost = ({ answer, newcomer }: Knock) => answer === null && newcomer.instance === instance;
  const knocks = session.knocks ?? [];
  return knocks.some(isLost)
    ? withKnocks(
        session,
        knocks.filter((knock) => !isLost(knock)),
      )
    : session;
}

/** Those whose joiners wait, oldest first. */
export function waitingKnocks(session: SessionDocument, now: number): readonly Knock[] {
  if (session.closed !== null) return [];
  return (session.knocks ?? []).filter((knock) => isWaiting(knock, now));
}

/** Whoever waited at an instance that died withdraws nothing: time does. */
function isWaiting({ answer, at }: Knock, now: number): boolean {
  return answer === null && now < at + KNOCK_WAIT_MS;
}

function knocksOf(session: SessionDocument, now: number): readonly Knock[] {
  return (session.knocks ?? []).filter(({ at }) => now < at + KNOCK_KEPT_MS);
}

function findKnock(session: SessionDocument, knockId: string): Knock | undefined {
  return session.knocks?.find(({ newcomer }) => newcomer.id === knockId);
}

function isSameKey(a: NewSeat, b: NewSeat): boolean {
  return a.keyHash !== null && a.keyHash === b.keyHash;
}

function withAnswer(session: SessionDocument, knock: Knock, answer: KnockAnswer, now: number): SessionDocument {
  const others = knocksOf(session, now).filter((other) => other !== knock);
  return withKnocks(session, [...others, { ...knock, answer }]);
}

function withKnocks(session: SessionDocument, knocks: readonly Knock[]): SessionDocument {
  const answered = knocks.filter(({ answer }) => answer !== null);
  const forgotten = new Set(answered.slice(0, -MAX_ANSWERED));
  const kept = knocks.filter((knock) => !forgotten.has(knock));
  if (kept.length > 0) return { ...session, knocks: kept };
  const quiet = { ...session };
  delete quiet.knocks;
  return quiet;
}
