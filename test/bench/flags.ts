import type { Bench } from './bench.ts';
export async function benchFlags(bench: Bench): Promise<void> { bench.report.note('x'); }
