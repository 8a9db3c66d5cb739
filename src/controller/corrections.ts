import { digestOf } from '../base/canonical.ts';
import type { Plan } from '../plan/plan.ts';

/** As many times in a row, with the spec unchanged. */
const fightAfter = 3;
/** Repairs that are further apart than this are no fight: leaves are renewed the same way for years. */
const withinMs = 60 * 60_000;

/** Notices when the same correction has to be made again and again: somebody else is working against us. */
export class CorrectionCounter {
  #last: { readonly spec: string; readonly steps: string; readonly times: readonly number[] } | undefined;

  add(spec: string, plan: Plan, nowMs: number): void {
    const steps = digestOf(plan.steps.map(({ action, target, reason }) => [action, target, reason]));
    const isSame = this.#last?.spec === spec && this.#last.steps === steps;
    const times = isSame ? (this.#last?.times ?? []) : [];
    this.#last = { spec, steps, times: [...times.filter((time) => nowMs - time < withinMs), nowMs] };
  }

  /** True until a commit changes the spec. `spec` is its digest. */
  isFighting(spec: string): boolean {
    if (this.#last !== undefined && this.#last.spec !== spec) this.#last = undefined;
    return this.#last?.spec === spec && this.#last.times.length >= fightAfter;
  }
}
