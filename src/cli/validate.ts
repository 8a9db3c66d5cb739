import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Diagnostic, formatDiagnostic } from '../base/diagnostics.ts';
import { asQuorateError, describeError, systemErrorCode } from '../base/errors.ts';
import { readBounded } from '../spec/config-file.ts';
import { sortDiagnostics } from '../spec/finding.ts';
import { loadSpecs, type SpecFile } from '../spec/load.ts';

const exitInvalid = 3;
/** More than any repository of specs holds; a path such as `/` ends here instead of never. */
const maxEntries = 10_000;
const maxDepth = 16;

/**
 * Checks cluster specs: files, and folders with all `*.yaml` and `*.yml` below them (names that begin
 * with a dot are passed over). Prints every finding and a summary. Gives the exit code: 0, or 3 when
 * there is an error or nothing to check.
 */
export async function validate(paths: readonly string[], out: { write(text: string): void }): Promise<number> {
  const problems: Diagnostic[] = [];
  const found = new Map<string, string>();
  if (paths.length === 0)
    problems.push(unreadable('.', 'No path was given. Name files or folders with cluster specs.'));
  for (const path of paths) {
    try {
      const specs = await specFilesOf(path);
      if (specs.length === 0) problems.push(unreadable(path, 'There is no *.yaml or *.yml file in this folder.'));
      // The same file named twice is one file, not two clusters with one name.
      for (const file of specs) {
        const real = await realpath(file);
        if (!found.has(real)) found.set(real, file);
      }
    } catch (error) {
      problems.push(unreadable(path, describePathError(error)));
    }
  }
  const files: SpecFile[] = [];
  for (const path of found.values()) {
    try {
      files.push({ path, content: await readBounded(path, `read ${path}`) });
    } catch (error) {
      problems.push(
        unreadable(
          path,
          asQuorateError(error, { code: 'file-unreadable', kind: 'invalid', operation: `read ${path}` }).summary,
        ),
      );
    }
  }
  const { specs, diagnostics } = loadSpecs(files);
  const all = [...sortDiagnostics(problems), ...diagnostics];
  for (const diagnostic of all) out.write(`${formatDiagnostic(diagnostic)}\n`);
  const errors = all.filter(({ severity }) => severity === 'error').length;
  const warnings = all.length - errors;
  out.write(
    `${count(files.length, 'file')}, ${count(specs.length, 'valid cluster')}, ${count(errors, 'error')}, ${count(warnings, 'warning')}\n`,
  );
  return errors === 0 ? 0 : exitInvalid;
}

async function specFilesOf(path: string): Promise<readonly string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const files: string[] = [];
  let seen = 0;
  const walk = async (folder: string, depth: number): Promise<void> => {
    const entries = (await readdir(folder, { withFileTypes: true })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    seen += entries.length;
    if (seen > maxEntries || depth > maxDepth)
      throw new Error(`there are more than ${maxEntries} files in it, or folders more than ${maxDepth} deep`);
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue;
      const inner = join(folder, entry.name);
      // Links are not followed, as they are not when specs are read from a commit.
      if (entry.isDirectory()) await walk(inner, depth + 1);
      else if (entry.isFile() && /\.ya?ml$/.test(entry.name)) files.push(inner);
    }
  };
  await walk(path, 0);
  return files;
}

function describePathError(error: unknown): string {
  if (systemErrorCode(error) === 'ENOENT') return 'There is no such file or folder.';
  return `It cannot be read: ${describeError(error)}.`;
}

function unreadable(file: string, detail: string): Diagnostic {
  return { severity: 'error', code: 'nothing-to-validate', summary: 'No specs could be read here', detail, file };
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
