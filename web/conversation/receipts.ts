import type { Participant } from '../../protocol/session.ts';

/** What became of an own message at the others: how many of `peers` have it, and have read it. */
export interface Reach {
  readonly peers: number;
  readonly delivered: number;
  readonly read: number;
}

interface Peer {
  joinedSeq: number;
  delivered: number;
  read: number;
  isHere: boolean;
}

/** Sessions have 50 seats at most; of those who have left, the earliest are forgotten first. */
const PEERS_CAPACITY = 200;

/** How far everybody else has got. What somebody read stays read when they leave. */
export class Receipts {
  /** Grows with every change. */
  version = 0;
  private readonly peers = new Map<string, Peer>();

  update(participants: readonly Participant[], self: string, isHistoryShared: boolean): void {
    const present = new Map(participants.filter(({ id }) => id !== self).map((peer) => [peer.id, peer]));
    for (const [id, peer] of this.peers)
      if (peer.isHere && !present.has(id)) this.change(id, { ...peer, isHere: false });
    for (const [id, { joinedSeq, delivered, read }] of present) {
      this.change(id, { joinedSeq: isHistoryShared ? 0 : joinedSeq, delivered, read, isHere: true });
    }
    for (const [id, { isHere }] of this.peers) {
      if (this.peers.size <= PEERS_CAPACITY) break;
      if (!isHere) this.peers.delete(id);
    }
  }

  /** Of those who may see the message: who is here, and who had it before leaving. */
  of(seq: number): Reach {
    const peers = [...this.peers.values()].filter(
      ({ joinedSeq, delivered, isHere }) => joinedSeq < seq && (isHere || delivered >= seq),
    );
    return {
      peers: peers.length,
      delivered: peers.filter(({ delivered, read }) => Math.max(delivered, read) >= seq).length,
      read: peers.filter(({ read }) => read >= seq).length,
    };
  }

  private change(id: string, peer: Peer): void {
    const before = this.peers.get(id);
    const isSame =
      before?.joinedSeq === peer.joinedSeq &&
      before.delivered === peer.delivered &&
      before.read === peer.read &&
      before.isHere === peer.isHere;
    if (isSame) return;
    this.peers.set(id, peer);
    this.version += 1;
  }
}
