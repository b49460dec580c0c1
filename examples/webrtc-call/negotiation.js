//@ts-check
/**
 * Brings one RTCPeerConnection and its opposite to agree on what flows between them: the pattern "perfect negotiation"
 * (https://w3c.github.io/webrtc-pc/#perfect-negotiation-example), for signals that may be lost. Either side may make an
 * offer at any time; when both do at once, the polite one takes its own back.
 *
 * The pattern trusts that everything arrives. So that it need not, `repeat()` is called every few seconds.
 *
 * @typedef {{ type: RTCSdpType, sdp: string }} Description
 *
 * @typedef {object} Signaling how to reach the opposite
 * @property {(offer: string, description: Description) => void} sendDescription an offer with its id, or the answer to
 *   the offer with this id
 * @property {(candidate: RTCIceCandidateInit) => void} sendCandidate a way on which this side may be reached
 */
import { randomId } from './tandem.js';

export class Negotiation {
  /** @type {RTCPeerConnection} */
  #connection;
  /** @type {boolean} */
  #isPolite;
  /** @type {Signaling} */
  #signaling;

  #isMakingOffer = false;
  #isAnswering = false;
  #isSettingAnswer = false;
  #hasIgnoredOffer = false;
  /** The latest offer of this side. */
  #offer = '';

  /**
   * @param {RTCPeerConnection} connection
   * @param {boolean} isPolite true on one side, false on the other
   * @param {Signaling} signaling
   */
  constructor(connection, isPolite, signaling) {
    this.#connection = connection;
    this.#isPolite = isPolite;
    this.#signaling = signaling;
    // Comes after the first track was added, and again after restartIce().
    connection.onnegotiationneeded = () => void this.#makeOffer();
    connection.onicecandidate = ({ candidate }) => {
      if (candidate !== null) signaling.sendCandidate(candidate.toJSON());
    };
  }

  /**
   * Says an offer again that has no answer yet. By now it contains the candidates that were found meanwhile, so it also
   * makes up for those that got lost.
   */
  repeat() {
    if (this.#connection.signalingState === 'have-local-offer') this.#describe(this.#offer);
  }

  /** @param {string} offer @param {Description} description */
  async receiveDescription(offer, description) {
    if (description.type === 'answer') await this.#receiveAnswer(offer, description);
    else await this.#receiveOffer(offer, description);
  }

  /** @param {RTCIceCandidateInit} candidate */
  async receiveCandidate(candidate) {
    try {
      await this.#connection.addIceCandidate(candidate);
    } catch (error) {
      // It belongs to an offer that was ignored, or to one that was lost: the repeated offer brings it along.
      const isExpected = this.#hasIgnoredOffer || this.#connection.remoteDescription === null;
      if (!isExpected) throw error;
    }
  }

  async #makeOffer() {
    try {
      this.#isMakingOffer = true;
      this.#offer = randomId(22);
      await this.#connection.setLocalDescription();
      // Otherwise an offer of the other side came in between, and this one was taken back.
      if (this.#connection.signalingState === 'have-local-offer') this.#describe(this.#offer);
    } catch (error) {
      console.warn('No offer could be made', error);
    } finally {
      this.#isMakingOffer = false;
    }
  }

  /** @param {string} offer @param {Description} description */
  async #receiveAnswer(offer, description) {
    // An offer that was repeated may be answered twice, and an answer may come to an offer that was taken back.
    const isAwaited = offer === this.#offer && this.#connection.signalingState === 'have-local-offer';
    if (!isAwaited || this.#isSettingAnswer) return;
    try {
      this.#isSettingAnswer = true;
      await this.#connection.setRemoteDescription(description);
    } finally {
      this.#isSettingAnswer = false;
    }
  }

  /** @param {string} offer @param {Description} description */
  async #receiveOffer(offer, description) {
    // It is the same one again, or will be repeated.
    if (this.#isAnswering) return;
    const isStable = this.#connection.signalingState === 'stable' || this.#isSettingAnswer;
    const isCollision = this.#isMakingOffer || !isStable;
    this.#hasIgnoredOffer = isCollision && !this.#isPolite;
    if (this.#hasIgnoredOffer) return;
    try {
      this.#isAnswering = true;
      // Where there was a collision this takes the own offer back; onnegotiationneeded then comes again, if it must.
      await this.#connection.setRemoteDescription(description);
      await this.#connection.setLocalDescription();
      this.#describe(offer);
    } finally {
      this.#isAnswering = false;
    }
  }

  /** @param {string} offer */
  #describe(offer) {
    const description = this.#connection.localDescription;
    if (description !== null) this.#signaling.sendDescription(offer, { type: description.type, sdp: description.sdp });
  }
}
