//@ts-check
/**
 * One side of a call between the two participants of a session.
 *
 * The browsers send picture and sound to each other directly. To find each other they exchange descriptions and
 * candidates, which is what the session's signals are for: quick, and not stored. A signal may be lost, so each one here
 * is either repeated until it has had its effect, or can be missed.
 *
 * The host begins a call, and gives it an id; the guest follows. So both always know whether a signal belongs to the
 * call that they are in, or to one that ended because a page was reloaded.
 *
 * @typedef {object} CallSignals the signals by their type, each with its body
 * @property {{ page: string }} hello "I am here and have no call yet"; `page` is another one after each reload
 * @property {{ call: string, offer: string, description: import('./negotiation.js').Description }} description
 * @property {{ call: string, candidate: RTCIceCandidateInit }} candidate
 *
 * @typedef {import('./tandem.js').TandemSession<{}, CallSignals>} CallSession a session that has no messages
 *
 * @typedef {{ isMuted: boolean, picture: 'camera' | 'test picture' }} Side what one side tells the other of itself
 *
 * @typedef {object} CallEvents
 * @property {(stream: MediaStream) => void} onStream picture and sound of the other side
 * @property {(state: RTCPeerConnectionState) => void} onState
 * @property {(side: Side) => void} onOtherSide
 */
import { Negotiation } from './negotiation.js';
import { randomId } from './tandem.js';

/**
 * Without servers two browsers find each other on one machine and in most local networks. Beyond that they need a STUN
 * server to learn their public addresses, and a TURN server where no direct way exists:
 *
 *   iceServers: [
 *     { urls: 'stun:stun.example.org' },
 *     { urls: 'turn:turn.example.org', username: '…', credential: '…' },
 *   ]
 *
 * @type {RTCConfiguration}
 */
const CONFIGURATION = { iceServers: [] };

/** How soon a signal that had no effect is repeated. */
const REPEAT_MS = 2000;

export class Call {
  #page = randomId(22);
  /** The guest's page with which the host began the call. @type {string | null} */
  #guestPage = null;

  // These four are made anew for each call, all together.
  /** @type {string | null} */
  #id = null;
  /** @type {RTCPeerConnection | null} */
  #connection = null;
  /** @type {Negotiation | null} */
  #negotiation = null;
  /** @type {RTCDataChannel | null} */
  #channel = null;

  #session;
  #stream;
  #side;
  #events;
  /** Undoes what the constructor began. */
  #stop;

  /**
   * @param {CallSession} session
   * @param {MediaStream} stream
   * @param {Side} side
   * @param {CallEvents} events
   */
  constructor(session, stream, side, events) {
    this.#session = session;
    this.#stream = stream;
    this.#side = side;
    this.#events = events;
    const stopListening = session.on('signal', (signal) => void this.#receive(signal));
    const timer = setInterval(() => this.#repeat(), REPEAT_MS);
    this.#stop = () => {
      stopListening();
      clearInterval(timer);
    };
    this.#repeat();
  }

  /** Tells the other side over the call itself, not over the server. @param {Side} side */
  tell(side) {
    this.#side = side;
    // A channel that is not open yet tells it as soon as it is.
    if (this.#channel?.readyState === 'open') this.#channel.send(JSON.stringify(side));
  }

  end() {
    this.#stop();
    this.#connection?.close();
    this.#connection = null;
    this.#id = null;
  }

  #repeat() {
    if (this.#negotiation === null) this.#send('hello', { page: this.#page });
    else this.#negotiation.repeat();
  }

  /**
   * @template {keyof CallSignals} T
   * @param {T} type
   * @param {CallSignals[T]} body
   */
  #send(type, body) {
    this.#session.signal(type, body).catch(() => {
      // There is no connection to the server at the moment. A call that is under way does not need one, and for any other
      // the signal is repeated.
    });
  }

  /** @param {import('./tandem.js').ReceivedSignal<CallSignals>} signal */
  async #receive(signal) {
    try {
      if (signal.type === 'hello') this.#receiveHello(signal.body.page);
      else if (signal.type === 'description') await this.#receiveDescription(signal.body);
      else if (signal.body.call === this.#id) await this.#negotiation?.receiveCandidate(signal.body.candidate);
    } catch (error) {
      // Another call has begun meanwhile, or the other side sent what this browser cannot use.
      console.warn('A signal had no effect', error);
    }
  }

  /** @param {string} page */
  #receiveHello(page) {
    if (!this.#session.isHost) {
      // The host has been reloaded and does not know that we are here.
      this.#send('hello', { page: this.#page });
    } else if (page !== this.#guestPage) {
      this.#guestPage = page;
      this.#begin(randomId(22));
    }
  }

  /** @param {CallSignals['description']} signal */
  async #receiveDescription({ call, offer, description }) {
    // An id that the guest does not know is a new call: one of both pages has been reloaded. The guest begins with this
    // offer and not with one of its own, so the two cannot cross here. (Where they did, with other tracks on either side,
    // Chromium 156 never opened the channel.)
    if (call !== this.#id && !this.#session.isHost) this.#begin(call);
    if (call === this.#id) await this.#negotiation?.receiveDescription(offer, description);
  }

  /** Makes everything anew that belongs to one call. @param {string} id */
  #begin(id) {
    this.#connection?.close();
    const connection = new RTCPeerConnection(CONFIGURATION);
    this.#id = id;
    this.#connection = connection;
    const isCurrent = () => this.#id === id;

    // When both make an offer at once, the guest gives way.
    this.#negotiation = new Negotiation(connection, !this.#session.isHost, {
      sendDescription: (offer, description) => {
        if (isCurrent()) this.#send('description', { call: id, offer, description });
      },
      sendCandidate: (candidate) => {
        if (isCurrent()) this.#send('candidate', { call: id, candidate });
      },
    });

    connection.ontrack = ({ streams: [stream] }) => {
      if (stream !== undefined) this.#events.onStream(stream);
    };
    connection.onconnectionstatechange = () => {
      if (!isCurrent()) return;
      this.#events.onState(connection.connectionState);
      if (connection.connectionState === 'failed') this.#findAnotherWay(connection);
    };

    // Both sides open the channel under the same number, so that neither waits for the other's.
    const channel = connection.createDataChannel('sides', { negotiated: true, id: 0 });
    channel.onopen = () => channel.send(JSON.stringify(this.#side));
    channel.onmessage = ({ data }) => this.#events.onOtherSide(JSON.parse(data));
    this.#channel = channel;

    for (const track of this.#stream.getTracks()) connection.addTrack(track, this.#stream);
  }

  /**
   * Makes a new offer, with which both look for a way through the network that works now. Both notice at the same time
   * that the old one does not, so the host goes first, and the guest only if nothing came of that: two offers at once
   * would be settled, but Chromium 156 shows no picture any more after it has taken an offer back.
   * @param {RTCPeerConnection} connection
   */
  #findAnotherWay(connection) {
    const restart = () => {
      if (connection.connectionState === 'failed') connection.restartIce();
    };
    if (this.#session.isHost) restart();
    else setTimeout(restart, 2 * REPEAT_MS);
  }
}
