import fc from 'fast-check';
import { expect, it } from 'vitest';
import { clusterStatus, type StatusDocument, statusDocument } from '../../../src/report/status.ts';
import type { ClusterStatusInput } from '../../../src/report/status-input.ts';
import { renderStatusText } from '../../../src/report/status-text.ts';
import { inputWith, live, nowMs } from './clusters.ts';
import { commit, hostileText, lostRefusal, planWith } from './plans.ts';

const options = { nowMs, hasColor: false };
const source = { ref: 'main', commit, error: null };
const documentOf = (fields: Partial<ClusterStatusInput>): StatusDocument =>
  statusDocument({ source, diagnostics: [], clusters: [clusterStatus(inputWith(fields))] });

it('reads like this', () => {
  expect(renderStatusText(documentOf({}), options)).toBe(`Source main at a1b2c3d4e5f6

orders  Converged
  commit        a1b2c3d4e5f6
  cluster id    cdf818194e3a8c32
  version       3.5.33
  last backup   2026-11-20T15:48:00Z-000001, 12m ago, 1 B in 1 B, verified
  certificates  peer of b ends in 30d, 5 others later
  last run      succeeded 9m 56s ago, took 4s, commit a1b2c3d4e5f6: 1 step done, done

  HOST  ID  ROLE      HEALTH   VERSION  DB SIZE   REVISION
  a     aa  leader    healthy  3.5.33   20.0 KiB  42
  b     bb  follower  healthy  3.5.33   20.0 KiB  42
  c     cc  follower  healthy  3.5.33   20.0 KiB  42
`);
});

it('names what is not fine, what to do, and findings at their place', () => {
  const diagnostic = {
    severity: 'error' as const,
    code: 'unknown-key',
    summary: 'Unknown key',
    detail: 'Found colour.\nNearest: color.',
    file: 'clusters/orders.yaml',
    line: 3,
    column: 5,
  };
  const text = renderStatusText(
    documentOf({
      plan: planWith({ refusals: [lostRefusal] }),
      diagnostics: [diagnostic],
      live: live({ backups: { known: true, value: [] } }),
    }),
    options,
  );
  expect(text).toContain('orders  Lost\n');
  expect(text).toContain('  Ready is false: ClusterLost\n    The cluster is lost;');
  expect(text).toContain('      bootstrap: { id: again-2, from: empty, discardData: "cdf8" }\n');
  expect(text).toContain(
    '  BackedUp is false: NeverBackedUp\n    There is no backup. What to do: quorate backup create.\n',
  );
  expect(text).toContain('last backup   none known\n');
  expect(text).toContain(
    '\n  clusters/orders.yaml:3:5: error: Unknown key [unknown-key]\n    Found colour.\n    Nearest: color.\n',
  );
  expect(text).not.toContain('AgentsReachable');
});

it('says when there is nothing, and when nothing could be read', () => {
  const empty = statusDocument({ source, diagnostics: [], clusters: [] });
  expect(renderStatusText(empty, options)).toBe('Source main at a1b2c3d4e5f6\n\nNo clusters.\n');
  const unreadable = { ...empty, source: { ref: 'main', commit: null, error: 'no such folder' } };
  expect(renderStatusText(unreadable, options)).toBe(
    'Source main at no commit yet\nThe repository could not be read; nothing changes until it can.\n  no such folder\n',
  );
});

it('shows a certificate that has ended', () => {
  expect(renderStatusText(documentOf({}), { ...options, nowMs: nowMs + 31 * 86_400_000 })).toContain(
    'peer of b has ended 1d ago',
  );
});

it('uses colours only when asked to, whatever stands in the document', () => {
  expect(renderStatusText(documentOf({}), { nowMs, hasColor: true })).toContain('\u001b[32mConverged');
  const record = fc.record({ code: hostileText, summary: hostileText, detail: hostileText, remedy: hostileText });
  fc.assert(
    fc.property(record, hostileText, (refusal, name) => {
      const text = renderStatusText(documentOf({ name, plan: planWith({ refusals: [refusal] }) }), options);
      // oxlint-disable-next-line no-control-regex
      expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }),
  );
});
