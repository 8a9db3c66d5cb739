import { formatDuration } from '../base/duration.ts';
import { formatSize } from '../base/size.ts';
import { type Palette, paletteOf } from './palette.ts';
import { counted, indented, shortCommit, shown, shownInline } from './shown.ts';
import type { ClusterStatus, ConditionStatus, DiagnosticDocument, StatusDocument } from './status.generated.ts';
import { renderTable } from './table.ts';

export interface StatusTextOptions {
  readonly nowMs: number;
  readonly hasColor: boolean;
}

/** The status for a terminal: one block for each cluster. Ends with a line break. */
export function renderStatusText(document: StatusDocument, { nowMs, hasColor }: StatusTextOptions): string {
  const palette = paletteOf(hasColor);
  const { source, diagnostics, clusters } = document;
  const blocks = [
    [
      `Source ${shownInline(source.ref)} at ${source.commit === null ? 'no commit yet' : shortCommit(source.commit)}`,
      ...(source.error === null
        ? []
        : [
            palette.red('The repository could not be read; nothing changes until it can.'),
            indented(shown(source.error), 2),
          ]),
      ...diagnostics.map((diagnostic) => diagnosticText(diagnostic, palette)),
    ].join('\n'),
    ...clusters.map((cluster) => clusterText(cluster, nowMs, palette)),
    ...(clusters.length === 0 && source.error === null ? ['No clusters.'] : []),
  ];
  return `${blocks.join('\n\n')}\n`;
}

function clusterText(cluster: ClusterStatus, nowMs: number, palette: Palette): string {
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['commit', cluster.commit === null ? undefined : shortCommit(cluster.commit)],
    ['cluster id', cluster.clusterId ?? undefined],
    ['version', cluster.version ?? undefined],
    ['last backup', backupText(cluster, nowMs)],
    ['last drill', drillText(cluster, nowMs)],
    ['certificates', certificateText(cluster, nowMs)],
    ['last run', runText(cluster, nowMs)],
  ];
  return [
    `${palette.bold(shownInline(cluster.name))}  ${phaseText(cluster.phase, palette)}`,
    ...facts.flatMap(([name, text]) => (text === undefined ? [] : [`  ${name.padEnd(12)}  ${shownInline(text)}`])),
    ...(cluster.members.length === 0 ? [] : ['', indented(memberTable(cluster).trimEnd(), 2)]),
    ...conditionTexts(cluster, palette),
    ...(cluster.diagnostics.length === 0
      ? []
      : ['', ...cluster.diagnostics.map((diagnostic) => indented(diagnosticText(diagnostic, palette), 2))]),
  ].join('\n');
}

function phaseText(phase: ClusterStatus['phase'], { bold, green, yellow, red }: Palette): string {
  if (phase === 'Converged') return bold(green(phase));
  return bold(phase === 'Lost' || phase === 'Refused' || phase === 'Fighting' ? red(phase) : yellow(phase));
}

/** `4m 2s ago`; clocks of two machines may differ, so what lies ahead a little is now. */
function ago(thenMs: number, nowMs: number): string {
  const ageMs = nowMs - thenMs;
  return ageMs < 1000 ? 'just now' : `${formatDuration(ageMs)} ago`;
}

function backupText({ lastBackup }: ClusterStatus, nowMs: number): string {
  if (lastBackup === null) return 'none known';
  const { name, at, verified, sizeBytes, dbSizeBytes, checkedAt } = lastBackup;
  const size =
    sizeBytes === null || dbSizeBytes === null ? [] : [`${formatSize(dbSizeBytes)} in ${formatSize(sizeBytes)}`];
  const unchanged = checkedAt === null ? [] : [`nothing written since, seen ${ago(Date.parse(checkedAt), nowMs)}`];
  return [name, ago(Date.parse(at), nowMs), ...size, verified ? 'verified' : 'not verified', ...unchanged].join(', ');
}

function drillText({ lastDrill }: ClusterStatus, nowMs: number): string | undefined {
  if (lastDrill === null) return undefined;
  const { backup, at, outcome } = lastDrill;
  return `${outcome} ${ago(Date.parse(at), nowMs)}, with ${backup}`;
}

function certificateText({ certificates }: ClusterStatus, nowMs: number): string | undefined {
  const [first] = certificates.toSorted((a, b) => a.notAfterMs - b.notAfterMs);
  if (first === undefined) return undefined;
  const leftMs = first.notAfterMs - nowMs;
  const others = certificates.length - 1;
  const which = `${first.domain} of ${first.host}`;
  const when = leftMs <= 0 ? `has ended ${ago(first.notAfterMs, nowMs)}` : `ends in ${formatDuration(leftMs)}`;
  return `${which} ${when}${others === 0 ? '' : `, ${counted(others, 'other')} later`}`;
}

function runText({ lastRun }: ClusterStatus, nowMs: number): string | undefined {
  if (lastRun === null) return undefined;
  const { outcome, startedAtMs, endedAtMs, commit, summary } = lastRun;
  const when =
    endedAtMs === null
      ? `begun ${ago(startedAtMs, nowMs)}`
      : `${ago(endedAtMs, nowMs)}, took ${formatDuration(endedAtMs - startedAtMs)}`;
  return `${outcome} ${when}, commit ${shortCommit(commit)}: ${summary}`;
}

function memberTable({ members }: ClusterStatus): string {
  return renderTable(
    ['HOST', 'ID', 'ROLE', 'HEALTH', 'VERSION', 'DB SIZE', 'REVISION'],
    members.map((member) => [
      shownInline(member.host ?? '(none of ours)'),
      shownInline(member.id),
      member.role,
      member.healthy ? 'healthy' : 'UNHEALTHY',
      shownInline(member.version ?? '-'),
      member.dbSizeBytes === null ? '-' : formatSize(member.dbSizeBytes),
      member.revision === null ? '-' : String(member.revision),
    ]),
  );
}

function conditionTexts({ conditions }: ClusterStatus, { red, yellow }: Palette): readonly string[] {
  const amiss = conditions.filter(isAmiss);
  if (amiss.length === 0) return [];
  return [
    '',
    ...amiss.flatMap(({ type, status, reason, message }) => [
      `  ${(status === 'False' ? red : yellow)(`${shownInline(type)} is ${status.toLowerCase()}: ${shownInline(reason)}`)}`,
      indented(shown(message), 4),
    ]),
  ];
}

/** What was never looked at, and runs that gave way, are no news beside the rest. */
function isAmiss({ type, status, reason }: ConditionStatus): boolean {
  if (status === 'True') return false;
  return status === 'False' || !(type === 'RunSucceeded' || reason === 'NotObserved' || reason === 'DrillNotDeclared');
}

function diagnosticText(diagnostic: DiagnosticDocument, { red, yellow }: Palette): string {
  const { file, line, column, severity, summary, code, detail } = diagnostic;
  const place = [file ?? '<source>', line, column].filter((part) => part !== undefined).join(':');
  const paint = severity === 'error' ? red : yellow;
  return [
    `${shownInline(place)}: ${paint(severity)}: ${shownInline(summary)} [${shownInline(code)}]`,
    indented(shown(detail), 2),
  ].join('\n');
}
