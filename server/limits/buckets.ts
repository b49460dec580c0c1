/** For whom a limit counts, where it counts for more than one kind of them. Each is spelled here alone. */

/** A signed-in user, where guests are counted by their address. */
export function userBucket(userId: string): string {
  return `user ${userId}`;
}

/** Refreshes and wrong refresh tokens of an address, apart from what else comes from there. */
export function credentialsBucket(address: string): string {
  return `credentials ${address}`;
}

/** Who has mails sent. */
export function senderBucket(kind: 'user' | 'key' | 'ip', id: string): string {
  return `${kind} ${id}`;
}
