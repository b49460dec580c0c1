/** Of so many sessions in a row each kind comes once; the first that fits says how much is said in a session. */
const EVERY_10 = 0;
const EVERY_100 = { at: 7, weight: 200 };
const EVERY_5000 = { at: 17, weight: 5000 };
/** Of all others: 1 to 14. */
const WEIGHTS = 14;

/**
 * How many messages each session has; together exactly `messages`. One in ten has none, most have a few, one in a hundred
 * has hundreds and one in 5,000 has thousands (a fifth and a tenth of all messages).
 */
export function sessionSizes(sessions: number, messages: number): number[] {
  const weights = Array.from({ length: sessions }, (_, index) => weightOf(index));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let [weightBefore, given] = [0, 0];
  return weights.map((weight) => {
    weightBefore += weight;
    // Of running sums, so that what is lost by rounding goes to the next one.
    const until = Math.floor((weightBefore * messages) / total);
    const size = until - given;
    given = until;
    return size;
  });
}

function weightOf(index: number): number {
  if (index % 5000 === EVERY_5000.at) return EVERY_5000.weight;
  if (index % 100 === EVERY_100.at) return EVERY_100.weight;
  if (index % 10 === EVERY_10) return 0;
  return 1 + ((index * 5) % WEIGHTS);
}
