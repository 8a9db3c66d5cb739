// Generated from schemas/plan.v1.json by npm run generate. Do not edit.

/**
 * A plan, as quorate plan --format json prints it.
 */
export interface PlanDocument {
  /**
   * Version of this format.
   */
  readonly formatVersion: '1.0';
  /**
   * Name of the cluster.
   */
  readonly cluster: string;
  /**
   * Full id of the commit that the spec was read at.
   */
  readonly commit: string;
  /**
   * Over steps and fingerprint: what a reviewer approved.
   */
  readonly digest: string;
  /**
   * Over what must not have moved between planning and applying.
   */
  readonly fingerprint: string;
  /**
   * False when there is a refusal or something is unknown that the steps would depend on.
   */
  readonly applyable: boolean;
  /**
   * What differs between the spec and what is live.
   */
  readonly changes: readonly ChangeDocument[];
  /**
   * What is to be done, in order.
   */
  readonly steps: readonly StepDocument[];
  /**
   * What forbids the change.
   */
  readonly refusals: readonly RefusalDocument[];
  /**
   * What the plan waits for; looking again may be all that is needed.
   */
  readonly waits: readonly NoticeDocument[];
  /**
   * What a person should know.
   */
  readonly warnings: readonly NoticeDocument[];
}
export interface ChangeDocument {
  /**
   * JSON Pointer into the spec.
   */
  readonly path: string;
  /**
   * The value that was seen.
   */
  readonly live: unknown;
  /**
   * The value of the spec.
   */
  readonly desired: unknown;
}
export interface StepDocument {
  /**
   * 1, 2, … in order.
   */
  readonly id: string;
  /**
   * What is done.
   */
  readonly action:
    | 'backup'
    | 'bootstrap-cluster'
    | 'add-learner'
    | 'promote-member'
    | 'remove-member'
    | 'start-member'
    | 'restart-member'
    | 'move-leader'
    | 'issue-certificate'
    | 'archive-data'
    | 'restore-cluster'
    | 'release';
  /**
   * Name of a host, or of the cluster for bootstrap-cluster, restore-cluster and release.
   */
  readonly target: string;
  /**
   * Why this step is in the plan, kebab-case, for example before-change.
   */
  readonly reason: string;
  /**
   * From harmless to irreversible.
   */
  readonly risk: 'none' | 'leader-moves' | 'member-restarts' | 'outage' | 'destructive';
  /**
   * What must be seen before the step.
   */
  readonly requires: readonly string[];
  /**
   * What must be seen after the step.
   */
  readonly ensures: readonly string[];
  readonly detail: StepDetailDocument;
}
/**
 * What the action needs to know.
 */
export interface StepDetailDocument {
  /**
   * Hexadecimal id of the member that the step is about.
   */
  readonly memberId?: string | undefined;
  /**
   * Release that the member runs after the step.
   */
  readonly version?: string | undefined;
  /**
   * All flags of the member but those that the agent owns.
   */
  readonly flags?:
    | {
        readonly [k: string]: string;
      }
    | undefined;
  /**
   * Flags by host, for bootstrap-cluster, restore-cluster (in quarantine) and release.
   */
  readonly hosts?:
    | {
        readonly [k: string]: {
          readonly [k: string]: string;
        };
      }
    | undefined;
  /**
   * The declared id of the bootstrap.
   */
  readonly bootstrapId?: string | undefined;
  /**
   * initial-cluster-token of the new cluster.
   */
  readonly token?: string | undefined;
  /**
   * name=peerURL,…
   */
  readonly initialCluster?: string | undefined;
  /**
   * Hexadecimal id of the cluster whose data is given up.
   */
  readonly discardData?: string | undefined;
  /**
   * Name of the backup that is restored.
   */
  readonly backup?: string | undefined;
  /**
   * Added to all revisions of the backup; 0 where the release cannot.
   */
  readonly bumpRevision?: number | undefined;
  /**
   * Hexadecimal id of the cluster whose place the restored one takes.
   */
  readonly replaces?: string | undefined;
  /**
   * Peer URL of the new member.
   */
  readonly peerUrl?: string | undefined;
  /**
   * Host that leadership goes to.
   */
  readonly to?: string | undefined;
  /**
   * Text for people: what differs.
   */
  readonly differences?: readonly string[] | undefined;
  /**
   * The kinds of traffic whose certificates are issued.
   */
  readonly domains?: readonly ('peer' | 'client')[] | undefined;
}
export interface RefusalDocument {
  /**
   * Stable, kebab-case.
   */
  readonly code: string;
  /**
   * What is refused.
   */
  readonly summary: string;
  /**
   * What was seen.
   */
  readonly detail: string;
  /**
   * The exact text to commit, or the thing to do.
   */
  readonly remedy: string;
}
export interface NoticeDocument {
  /**
   * Stable, kebab-case.
   */
  readonly code: string;
  /**
   * One sentence.
   */
  readonly summary: string;
  /**
   * What was seen.
   */
  readonly detail: string;
}
