import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Files of a certificate that signs itself. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });

/** Makes `NAME.pem` and `NAME.key` in the folder, valid for two days. */
export function selfSigned(folder: string, name: string): TestCertificate {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  openssl('req', '-x509', ...curve, '-nodes', '-subj', `/CN=${name}`, '-days', '2', '-keyout', key, '-out', cert);
  return { cert, key };
}

/** As `selfSigned`, valid from one moment to another (YYMMDDHHMMSSZ). */
export function selfSignedBetween(folder: string, name: string, from: string, to: string): TestCertificate {
  const [cert, key, request] = ['pem', 'key', 'csr'].map((end) => join(folder, `${name}.${end}`)) as [
    string,
    string,
    string,
  ];
  const config = join(folder, `${name}.cnf`);
  openssl('req', ...curve, '-nodes', '-subj', `/CN=${name}`, '-keyout', key, '-out', request);
  writeFileSync(join(folder, 'index.txt'), '');
  const lines = [
    '[ca]',
    'default_ca = own',
    '[own]',
    `database = ${join(folder, 'index.txt')}`,
    `new_certs_dir = ${folder}`,
  ];
  writeFileSync(
    config,
    `${[...lines, 'default_md = sha256', 'policy = any', 'rand_serial = yes', '[any]', 'commonName = supplied'].join('\n')}\n`,
  );
  const dates = ['-startdate', from, '-enddate', to];
  openssl(
    'ca',
    '-batch',
    '-config',
    config,
    '-selfsign',
    '-keyfile',
    key,
    '-in',
    request,
    '-out',
    cert,
    '-notext',
    ...dates,
  );
  return { cert, key };
}
