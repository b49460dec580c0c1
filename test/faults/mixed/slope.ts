/** What is before this part of a run is caches that fill and pools that grow. */
const WARM_UP = 0.2;

/** By how much the values grow from one to the next, by least squares; null when too few are left to tell. */
export function slopeAfterWarmUp(values: readonly number[]): number | null {
  const warm = values.slice(Math.floor(values.length * WARM_UP));
  if (warm.length < 3) return null;
  const middle = (warm.length - 1) / 2;
  const mean = warm.reduce((sum, value) => sum + value, 0) / warm.length;
  let [covariance, variance] = [0, 0];
  for (const [index, value] of warm.entries()) {
    covariance += (index - middle) * (value - mean);
    variance += (index - middle) ** 2;
  }
  return covariance / variance;
}
