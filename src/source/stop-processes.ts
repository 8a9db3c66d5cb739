import { killMarked as killMarkedProcesses } from '../base/marked-processes.ts';

/** The variable by which a git process and all its helpers are found again. */
export const callVariable = 'QUORATE_GIT_CALL';

/**
 * Kills what one call of git has started. git's transport helpers (https, ssh) outlive a git that was told to end
 * while its server is silent; they would pile up.
 */
export async function killMarked(mark: string): Promise<void> {
  await killMarkedProcesses(callVariable, mark);
}
