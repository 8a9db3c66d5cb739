/** The closed set of actions. Each has a module in `apply/steps/`, a guard, a scenario and a row in the docs. */
export const actions = [
  'backup',
  'bootstrap-cluster',
  'add-learner',
  'promote-member',
  'remove-member',
  'start-member',
  'restart-member',
  'move-leader',
  'issue-certificate',
  'archive-data',
  'restore-cluster',
  'release',
] as const;

export type Action = (typeof actions)[number];

/** From harmless to irreversible. */
export const risks = ['none', 'leader-moves', 'member-restarts', 'outage', 'destructive'] as const;
export type Risk = (typeof risks)[number];

export interface Plan {
  readonly formatVersion: '1.0';
  readonly cluster: string;
  /** Full commit id that the spec was read at. */
  readonly commit: string;
  /** Over steps and fingerprint: what a reviewer approved. */
  readonly digest: string;
  /** Over what must not have moved between planning and applying. */
  readonly fingerprint: string;
  /** False when there is a refusal or something is unknown that the steps would depend on. */
  readonly applyable: boolean;
  readonly changes: readonly Change[];
  readonly steps: readonly Step[];
  readonly refusals: readonly Refusal[];
  /** What the plan waits for; looking again may be all that is needed. */
  readonly waits: readonly Notice[];
  readonly warnings: readonly Notice[];
}

export interface Change {
  /** JSON Pointer into the spec. */
  readonly path: string;
  readonly live: unknown;
  readonly desired: unknown;
}

export interface Step {
  /** `1`, `2`, … in order. */
  readonly id: string;
  readonly action: Action;
  /** Name of a host, or of the cluster for `bootstrap-cluster`, `restore-cluster` and `release`. */
  readonly target: string;
  /** Kebab-case: why this step is in the plan, for example `before-change`, `scale-up`. */
  readonly reason: string;
  readonly risk: Risk;
  readonly requires: readonly string[];
  readonly ensures: readonly string[];
  readonly detail: StepDetail;
}

export interface StepDetail {
  /** Hexadecimal member id that the step is about. */
  readonly memberId?: string | undefined;
  readonly version?: string | undefined;
  /** All flags of the member but those that the agent owns. */
  readonly flags?: Readonly<Record<string, string>> | undefined;
  /** Flags by host, for `bootstrap-cluster`, `restore-cluster` (in quarantine) and `release`. */
  readonly hosts?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined;
  readonly bootstrapId?: string | undefined;
  readonly token?: string | undefined;
  readonly initialCluster?: string | undefined;
  readonly discardData?: string | undefined;
  /** Name of the backup that is restored. */
  readonly backup?: string | undefined;
  /** Added to all revisions of the backup; 0 where the release cannot. */
  readonly bumpRevision?: number | undefined;
  /** Id of the cluster whose place the restored one takes. */
  readonly replaces?: string | undefined;
  readonly peerUrl?: string | undefined;
  /** Host that leadership goes to. */
  readonly to?: string | undefined;
  /** Text for people: what differs. */
  readonly differences?: readonly string[] | undefined;
  readonly domains?: readonly ('peer' | 'client')[] | undefined;
}

export interface Refusal {
  readonly code: string;
  readonly summary: string;
  readonly detail: string;
  /** The exact text to commit, or the thing to do. */
  readonly remedy: string;
}

export interface Notice {
  readonly code: string;
  readonly summary: string;
  readonly detail: string;
}
