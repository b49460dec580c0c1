import type { WireError } from '../../protocol/errors.ts';
import type { Events } from '../../protocol/events.ts';
import type { JsonValue, Message, SelfWithToken, Session } from '../../protocol/session.ts';
import type { ResumeInput } from '../../server/sessions/seating.ts';

/** What a simulated client asks for. */
export type Ask =
  | { readonly command: 'create'; readonly key: string }
  | { readonly command: 'join'; readonly key: string; readonly code: string }
  | { readonly command: 'resume'; readonly input: ResumeInput }
  | { readonly command: 'send'; readonly id: string; readonly body: JsonValue }
  | { readonly command: 'history'; readonly afterSeq: number }
  | { readonly command: 'leave' }
  | { readonly command: 'close' }
  | { readonly command: 'kick'; readonly participantId: string }
  | { readonly command: 'lock'; readonly locked: boolean }
  | { readonly command: 'reopen' };

export interface Request {
  readonly serial: number;
  readonly ask: Ask;
}

export type Answer =
  | { readonly command: 'create'; readonly session: Session; readonly self: SelfWithToken }
  | { readonly command: 'join'; readonly session: Session; readonly self: SelfWithToken }
  | { readonly command: 'resume'; readonly resumed: Events['session:resumed'] }
  | {
      readonly command: 'send';
      readonly seq: number;
      readonly epoch: number;
      readonly durableSeq: number;
      readonly duplicate: boolean;
    }
  | {
      readonly command: 'history';
      readonly messages: readonly Message[];
      readonly hasMore: boolean;
      readonly epoch: number;
    }
  | { readonly command: 'leave' | 'close' | 'kick' | 'lock' }
  | { readonly command: 'reopen'; readonly code: string | null };

export type Packet =
  | { readonly kind: 'answer'; readonly serial: number; readonly answer: Answer }
  | { readonly kind: 'refusal'; readonly serial: number; readonly error: Pick<WireError, 'code' | 'retryable'> }
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'head'; readonly epoch: number; readonly lastSeq: number; readonly durableSeq: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'closing'; readonly reason: string };

/** One connection: what is on its way in either direction, in order, until it is delivered or the connection is cut. */
export class Link {
  readonly id: string;
  readonly up: Request[] = [];
  readonly down: Packet[] = [];
  /** The server has ended it: what is on its way down still arrives. */
  isEnded = false;
  isCut = false;

  constructor(id: string) {
    this.id = id;
  }

  /** Nothing that is under way arrives any more. */
  cut(): void {
    this.isCut = true;
    this.up.length = 0;
    this.down.length = 0;
  }
}
