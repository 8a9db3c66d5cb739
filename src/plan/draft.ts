import type { Action, Change, Notice, Refusal, Risk, Step, StepDetail } from './plan.ts';

export interface StepFields {
  readonly action: Action;
  readonly target: string;
  readonly reason: string;
  readonly risk: Risk;
  readonly requires?: readonly string[];
  readonly ensures: readonly string[];
  readonly detail?: StepDetail;
}

/** A plan in the making. Concerns add to it in their order; the planner alone reads it out. */
export class Draft {
  readonly steps: Step[] = [];
  readonly refusals: Refusal[] = [];
  readonly waits: Notice[] = [];
  readonly warnings: Notice[] = [];
  readonly changes: Change[] = [];

  step(fields: StepFields): void {
    this.steps.push({
      id: String(this.steps.length + 1),
      action: fields.action,
      target: fields.target,
      reason: fields.reason,
      risk: fields.risk,
      requires: fields.requires ?? [],
      ensures: fields.ensures,
      detail: fields.detail ?? {},
    });
  }

  refuse(refusal: Refusal): void {
    this.refusals.push(refusal);
  }

  wait(notice: Notice): void {
    if (this.waits.some((known) => known.code === notice.code && known.detail === notice.detail)) return;
    this.waits.push(notice);
  }

  warn(notice: Notice): void {
    this.warnings.push(notice);
  }

  change(path: string, live: unknown, desired: unknown): void {
    this.changes.push({ path, live, desired });
  }
}
