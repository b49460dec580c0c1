import type { Socket } from 'node:net';

/** What happens to the bytes of one direction. */
export type Traffic =
  | { readonly kind: 'pass' }
  /** Each byte arrives so much later. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** A cut that TCP survives: nothing passes, and all of it does once the traffic is another. */
  | { readonly kind: 'hold' }
  /** A black hole: bytes, farewells and resets are gone for ever. */
  | { readonly kind: 'swallow' }
  | { readonly kind: 'throttle'; readonly bytesPerSecond: number };

type Parcel =
  { readonly kind: 'bytes'; readonly bytes: Buffer; readonly arrivedAt: number } | { readonly kind: 'farewell' };

/** Beyond so much in the queue the source is not read any more, so that its sender feels the cut as it would on a network. */
const QUEUE_LIMIT_BYTES = 256 * 1024;
/** Slices per second of a throttled lane: a slower grain would make bursts of it. */
const THROTTLE_GRAIN = 50;

/** One direction of a proxied connection. */
export class Lane {
  passedBytes = 0;
  swallowedBytes = 0;
  /** Both ends are to be reset: the source is gone, or bytes are missing that no traffic can bring back. */
  readonly #onBroken: () => void;
  readonly #queue: Parcel[] = [];
  #queuedBytes = 0;
  #traffic: Traffic = { kind: 'pass' };
  #from: Socket | null = null;
  #to: Socket | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** A throttled lane may write again at this time. */
  #freeAt = 0;
  #hasLost = false;
  #isSourceReset = false;
  #isFinished = false;
  #isStopped = false;

  constructor(onBroken: () => void) {
    this.#onBroken = onBroken;
  }

  readFrom(socket: Socket): void {
    this.#from = socket;
    socket.on('data', (bytes: Buffer) => this.#take({ kind: 'bytes', bytes, arrivedAt: performance.now() }));
    socket.on('end', () => this.#take({ kind: 'farewell' }));
    socket.on('error', () => {
      this.#isSourceReset = true;
      this.#pump();
    });
    this.#pump();
  }

  writeTo(socket: Socket): void {
    this.#to = socket;
    socket.on('drain', () => this.#pump());
    this.#pump();
  }

  set(traffic: Traffic): void {
    this.#traffic = traffic;
    if (traffic.kind === 'swallow') for (const parcel of this.#queue.splice(0)) this.#swallow(parcel);
    else if (this.#hasLost) {
      this.#onBroken();
      return;
    }
    clearTimeout(this.#timer);
    this.#freeAt = performance.now();
    this.#pump();
  }

  /** Says farewell to the receiving end, whatever the source goes on to send. */
  finish(): void {
    this.#isFinished = true;
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#to?.end();
    this.#from?.resume();
  }

  stop(): void {
    this.#isStopped = true;
    this.#queue.length = 0;
    clearTimeout(this.#timer);
  }

  #take(parcel: Parcel): void {
    if (this.#isStopped || this.#isFinished) return;
    if (this.#traffic.kind === 'swallow') {
      this.#swallow(parcel);
      return;
    }
    this.#queue.push(parcel);
    if (parcel.kind === 'bytes') this.#queuedBytes += parcel.bytes.length;
    this.#pump();
  }

  #swallow(parcel: Parcel): void {
    this.#hasLost = true;
    if (parcel.kind === 'farewell') return;
    this.swallowedBytes += parcel.bytes.length;
    this.#queuedBytes = 0;
  }

  /** Passes on what is due, and sees to it that it is called again when there is more. */
  #pump(): void {
    if (this.#isStopped || this.#isFinished) return;
    while (this.#passOne());
    const isHeld = this.#traffic.kind === 'hold';
    if (isHeld || this.#queuedBytes > QUEUE_LIMIT_BYTES) this.#from?.pause();
    else this.#from?.resume();
    if (this.#isSourceReset && this.#queue.length === 0) {
      if (this.#traffic.kind === 'swallow') this.#hasLost = true;
      else if (!isHeld) this.#onBroken();
    }
  }

  /** True when there may be more to do at once. */
  #passOne(): boolean {
    const [parcel] = this.#queue;
    if (parcel === undefined || this.#to === null || this.#to.writableNeedDrain) return false;
    if (this.#traffic.kind === 'hold' || this.#traffic.kind === 'swallow') return false;
    if (parcel.kind === 'farewell') {
      this.#queue.shift();
      this.#isFinished = true;
      this.#to.end();
      return false;
    }
    const now = performance.now();
    const dueAt = this.#traffic.kind === 'delay' ? parcel.arrivedAt + this.#traffic.delayMs : this.#freeAt;
    if (this.#traffic.kind !== 'pass' && now < dueAt) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#pump(), Math.ceil(dueAt - now));
      return false;
    }
    this.#write(this.#to, parcel, now);
    return true;
  }

  #write(to: Socket, { bytes, arrivedAt }: Extract<Parcel, { kind: 'bytes' }>, now: number): void {
    let length = bytes.length;
    if (this.#traffic.kind === 'throttle') {
      const { bytesPerSecond } = this.#traffic;
      length = Math.min(length, Math.max(1, Math.floor(bytesPerSecond / THROTTLE_GRAIN)));
      this.#freeAt = Math.max(now, this.#freeAt) + (length * 1000) / bytesPerSecond;
    }
    if (length === bytes.length) this.#queue.shift();
    else this.#queue[0] = { kind: 'bytes', bytes: bytes.subarray(length), arrivedAt };
    this.#queuedBytes -= length;
    this.passedBytes += length;
    to.write(bytes.subarray(0, length));
  }
}
