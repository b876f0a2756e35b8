import { access, constants } from 'node:fs/promises';

/** Returns whether a state directory exists and whether this process may change it. */
export async function stateAccess(stateDir: string): Promise<'absent' | 'ours' | 'closed'> {
  try {
    await access(stateDir, constants.R_OK | constants.W_OK | constants.X_OK);
    return 'ours';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'absent';
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return 'closed';
    throw error;
  }
}
