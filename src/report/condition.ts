import type { ConditionStatus } from './status.generated.ts';

/** Status, reason, message, and when it became so if that is known. */
export type Finding = readonly [
  status: ConditionStatus['status'],
  reason: string,
  message: string,
  sinceMs?: number | undefined,
];
