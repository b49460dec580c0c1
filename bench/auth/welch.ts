/**
 * Welch's t of two samples: how many standard errors their means lie apart, whatever their variances are. Above 4.5 they
 * differ: among equals that happens once in 150,000 comparisons. NaN when one has fewer than two values.
 */
export function welchT(first: readonly number[], second: readonly number[]): number {
  const [a, b] = [momentsOf(first), momentsOf(second)];
  return (a.mean - b.mean) / Math.sqrt(a.variance / first.length + b.variance / second.length);
}

/**
 * The part of each sample below its own quantile: what a machine does besides makes some answers late by a hundred
 * times, which hides a difference in all the others.
 */
export function belowQuantile(values: readonly number[], quantile: number): number[] {
  const ascending = values.toSorted((x, y) => x - y);
  return ascending.slice(0, Math.max(1, Math.floor(ascending.length * quantile)));
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function momentsOf(values: readonly number[]): { mean: number; variance: number } {
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, variance: squares / (values.length - 1) };
}
