import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { ApiError } from '../../errors.ts';

/** Cost of one hash (RFC 9106): 19 MiB and two passes, the second choice of the OWASP cheat sheet for Argon2id. */
const cost = { memory: 19 * 1024, passes: 2, parallelism: 1, tagLength: 32 } as const;

/** How many hashes may be worked out at once: each takes 19 MiB and a thread of the pool. */
const hashesAtOnce = 2;

/** Hashes passwords with Argon2id, a few at once. More are refused with `rate_limited`, so that guessers cannot fill the memory. */
export class PasswordHasher {
  #running = 0;

  /** Returns the hash as a PHC string: `$argon2id$v=19$m=…,t=…,p=…$salt$tag`. */
  async hash(password: string): Promise<string> {
    const nonce = randomBytes(16);
    const tag = await this.#work(password, nonce, cost);
    const parameters = `m=${cost.memory},t=${cost.passes},p=${cost.parallelism}`;
    return ['', 'argon2id', 'v=19', parameters, text(nonce), text(tag)].join('$');
  }

  /** Compares a password with a hash. Null compares with a hash that nothing fits, which takes the same time. */
  async verify(password: string, hash: string | null): Promise<boolean> {
    const [, kind, version, parameters = '', nonce = '', tag = ''] = (hash ?? unknownHash).split('$');
    const given = /^m=(\d+),t=(\d+),p=(\d+)$/.exec(parameters);
    if (kind !== 'argon2id' || version !== 'v=19' || given === null)
      throw new Error('a stored password hash is malformed');
    const [memory, passes, parallelism] = given.slice(1).map(Number) as [number, number, number];
    const expected = Buffer.from(tag, 'base64');
    const work = { memory, passes, parallelism, tagLength: expected.length };
    const actual = await this.#work(password, Buffer.from(nonce, 'base64'), work);
    return timingSafeEqual(actual, expected) && hash !== null;
  }

  async #work(
    password: string,
    nonce: Buffer,
    { memory, passes, parallelism, tagLength }: typeof cost | Work,
  ): Promise<Buffer> {
    if (this.#running >= hashesAtOnce)
      throw new ApiError('rate_limited', 'Too many people sign in at this moment', [], 1);
    this.#running++;
    try {
      // The same password typed on another keyboard is the same text (NIST SP 800-63B, 5.1.1.2).
      const message = Buffer.from(password.normalize('NFKC'), 'utf8');
      const parameters: Argon2Parameters = { message, nonce, memory, passes, parallelism, tagLength };
      return await promisify(argon2)('argon2id', parameters);
    } finally {
      this.#running--;
    }
  }
}

type Work = { readonly [K in keyof typeof cost]: number };

const text = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');

/** Compared with for accounts that do not exist or have no password. */
const unknownHash = `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${text(randomBytes(16))}$${text(randomBytes(32))}`;

/** Throws `weak_password` for a password that a guesser tries first. `known`: words about the person and the tenant. */
export function checkPassword(password: string, known: readonly string[]): void {
  const plain = password.normalize('NFKC').toLowerCase();
  const reason = weakness(plain, known.flatMap(wordsOf));
  if (reason !== null)
    throw new ApiError('weak_password', `${reason}. Several unrelated words make a good password`, [
      { pointer: '/password', message: 'is too easy to guess' },
    ]);
}

function weakness(plain: string, known: readonly string[]): string | null {
  if (new Set(plain).size < 5) return 'The password repeats a few characters';
  if (sequences.some((sequence) => longestShared(plain, sequence) >= plain.length * 0.6))
    return 'The password follows the order of a keyboard or an alphabet';
  const bare = letters(plain);
  const left = [...commonWords, ...known]
    .sort((a, b) => b.length - a.length)
    .reduce((rest, word) => rest.replaceAll(word, ''), bare);
  if (left.length < 4 && bare.length > 0) return 'The password is made of common words, names and digits';
  return null;
}

/** Letters alone, with the usual digits and signs read as letters: `p4ssw0rd!` is `password`. */
const letters = (plain: string): string =>
  plain.replaceAll(/[@4301!$5+7]/g, (sign) => lookalikes[sign] ?? '').replaceAll(/[^\p{L}]/gu, '');
const lookalikes: Readonly<Record<string, string>> = {
  '@': 'a',
  4: 'a',
  3: 'e',
  0: 'o',
  1: 'i',
  '!': 'i',
  $: 's',
  5: 's',
  '+': 't',
  7: 't',
};

const wordsOf = (name: string): string[] =>
  name
    .toLowerCase()
    .split(/[^\p{L}]+/u)
    .filter((word) => word.length >= 3);

/** Longest piece of the password that stands in the sequence, or in its reverse. */
function longestShared(plain: string, sequence: string): number {
  let longest = 0;
  for (const line of [sequence, [...sequence].reverse().join('')])
    for (let from = 0; from < plain.length; from++)
      for (let to = from + longest + 1; to <= plain.length && line.includes(plain.slice(from, to)); to++)
        longest = to - from;
  return longest;
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz';
const sequences = [
  alphabet + alphabet,
  '01234567890123456789',
  'qwertyuiopasdfghjklzxcvbnm',
  'qwertzuiopasdfghjklyxcvbnm',
  'azertyuiopqsdfghjklmwxcvbn',
  '1q2w3e4r5t6z7u8i9o0p',
  '1q2w3e4r5t6y7u8i9o0p',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm',
];
const commonWords = [
  'password',
  'passwort',
  'passphrase',
  'motdepasse',
  'contrasena',
  'secret',
  'geheim',
  'welcome',
  'willkommen',
  'letmein',
  'changeme',
  'default',
  'administrator',
  'admin',
  'root',
  'user',
  'login',
  'test',
  'demo',
  'guest',
  'iloveyou',
  'love',
  'monkey',
  'dragon',
  'football',
  'baseball',
  'sunshine',
  'princess',
  'superman',
  'batman',
  'master',
  'shadow',
  'trustno',
  'qwertyuiop',
  'qwertz',
  'qwerty',
  'azerty',
  'asdfgh',
  'zxcvbn',
  'abc',
  'hello',
  'hallo',
  'summer',
  'sommer',
  'winter',
  'spring',
  'autumn',
  'monday',
  'january',
  'december',
  'company',
  'sallyport',
  'wireguard',
  'network',
  'server',
  'my',
  'the',
  'please',
  'is',
  'this',
  'one',
  'forever',
  'never',
];
