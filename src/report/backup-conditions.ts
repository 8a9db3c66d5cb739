import { formatTime } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import { overdueAfter } from '../base/schedule.ts';
import type { LiveState } from '../observe/live-state.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';
import type { Finding } from './condition.ts';
import { counted } from './shown.ts';
import type { BackupReport } from './status-input.ts';

const unread: Finding = ['Unknown', 'StoreReadFailed', 'It is not known which backups there are.'];

/** There is a backup, it was verified, and it is not older than the spec wants. */
export function backedUp(live: LiveState, spec: ClusterSpec | undefined, report: BackupReport | undefined): Finding {
  if (!live.backups.known) return unread;
  const [newest] = live.backups.value;
  if (newest === undefined) return ['False', 'NeverBackedUp', 'There is no backup. What to do: quorate backup create.'];
  if (newest.proof === undefined) {
    return [
      'False',
      'BackupNotVerified',
      `The newest backup, ${newest.name}, carries no proof of Quorate: another program wrote it, or its proof was lost. What to do: quorate backup create.`,
      newest.takenAtMs,
    ];
  }
  return (
    overdue(live, spec, report) ?? [
      'True',
      'BackupVerified',
      `${newest.name} was read back and its hash matched.`,
      newest.proof.verifiedAtMs,
    ]
  );
}

function overdue(
  { observedAtMs }: LiveState,
  spec: ClusterSpec | undefined,
  report: BackupReport | undefined,
): Finding | undefined {
  const every = spec?.backup.every;
  if (every === undefined || report === undefined) return undefined;
  const untilMs = report.coveredUntilMs;
  if (untilMs === undefined)
    return [
      'False',
      'BackupOverdue',
      'No verified backup is of this cluster; those in the store are of others. What to do: see the log of the controller, or quorate backup create.',
    ];
  const overdueAtMs = overdueAfter(every, untilMs);
  if (observedAtMs < overdueAtMs) return undefined;
  const ageMs = observedAtMs - untilMs;
  return [
    'False',
    'BackupOverdue',
    `The last periodic backup is ${formatDuration(ageMs)} old, and one is due ${every.type === 'interval' ? `every ${formatDuration(every.everyMs)}` : `at "${every.expression}" (UTC)`}. What to do: see the log of the controller for what stands in the way, or quorate backup create.`,
    overdueAtMs,
  ];
}

/** Every backup that the store lists can be read. */
export function backupsWhole({ backups }: LiveState, report: BackupReport | undefined): Finding {
  if (!backups.known || report === undefined) return unread;
  const { damaged } = report;
  if (damaged.length === 0) return ['True', 'BackupsListed', `${counted(backups.value.length, 'backup')} can be read.`];
  const shownFirst = damaged.slice(0, 3).map(({ summary, detail }) => `${summary} ${detail}`);
  const more = damaged.length > shownFirst.length ? [`${damaged.length - shownFirst.length} more.`] : [];
  return ['False', 'BackupDamaged', [...shownFirst, ...more].join('\n')];
}

const dayMs = 86_400_000;
const drillEveryMs = { daily: dayMs, weekly: 7 * dayMs };

/** The last backup that was restored for proof was what it should be, and that was not too long ago. */
export function drillPassed(live: LiveState, spec: ClusterSpec | undefined, report: BackupReport | undefined): Finding {
  if (report === undefined) return ['Unknown', 'StoreReadFailed', 'It is not known which drills there were.'];
  const { lastDrill } = report;
  const declared = spec?.backup.drill ?? 'never';
  if (lastDrill === undefined) {
    return declared === 'never'
      ? ['Unknown', 'DrillNotDeclared', 'No backup was restored for proof, and the spec asks for none.']
      : ['Unknown', 'NeverDrilled', `No backup was restored for proof yet; one is to be ${declared}.`];
  }
  const { outcome, backup, problem, endedAtMs } = lastDrill;
  const why = problem ?? 'no reason is on record';
  if (outcome === 'failed')
    return [
      'False',
      'DrillFailed',
      `The backup ${backup} could not be restored as it was taken: ${why}. What to do: do not rely on it; the next periodic backup is taken at once, otherwise quorate backup create, then quorate backup drill.`,
      endedAtMs,
    ];
  if (outcome === 'impossible')
    return [
      'False',
      'DrillImpossible',
      `The backup ${backup} could not be tried: ${why}. What to do: mend that, then quorate backup drill.`,
      endedAtMs,
    ];
  const overdueAtMs = declared === 'never' ? Number.POSITIVE_INFINITY : endedAtMs + 2 * drillEveryMs[declared];
  if (live.observedAtMs >= overdueAtMs)
    return [
      'False',
      'DrillOverdue',
      `The last backup that was restored for proof was ${backup}, ${formatDuration(live.observedAtMs - endedAtMs)} ago, and one is to be ${declared}. What to do: see the log of the controller, or quorate backup drill.`,
      overdueAtMs,
    ];
  return ['True', 'DrillPassed', `${backup} was restored for proof at ${formatTime(endedAtMs)}.`, endedAtMs];
}
