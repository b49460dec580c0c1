//@ts-check
/**
 * What the phones are called: as their owners wrote, or numbered in the order of joining.
 * @param {readonly import('./tandem.js').Participant[]} participants
 * @returns {Map<string, string>} by the id of the participant
 */
export function phoneNames(participants) {
  const phones = participants.filter(({ role }) => role === 'guest');
  phones.sort((one, other) => one.joinedAt.localeCompare(other.joinedAt));
  return new Map(phones.map(({ id, name }, index) => [id, name ?? `Phone ${index + 1}`]));
}
