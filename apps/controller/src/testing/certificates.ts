import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Files of a certificate that signs itself. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Makes `NAME.pem` and `NAME.key` in the folder. `days`: how long it is valid; null: it has expired. */
export function selfSigned(folder: string, name: string, days: number | null = 2): TestCertificate {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`];
  const valid =
    days === null ? ['-not_before', '20200101000000Z', '-not_after', '20200102000000Z'] : ['-days', `${days}`];
  execFileSync('openssl', ['req', '-x509', ...made, ...valid, '-keyout', key, '-out', cert], { stdio: 'pipe' });
  return { cert, key };
}
