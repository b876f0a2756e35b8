import { test } from 'node:test';
import { assertNone, isTestCode, places, readSources, type SourceFile } from './workspace.ts';

/** Packages that decide and compute, and the folders in them that are their thin shell. */
const CORE: Record<string, string[]> = {
  'packages/ip/src/': [],
  'packages/contract/src/': [],
  'packages/policy/src/': [],
  'packages/agent-core/src/': [],
  'packages/wireguard/src/': ['backends/'],
  'packages/hostnet/src/': ['system/'],
};

/** Modules of Node that only compute, and what may be taken from them. */
const PURE_MODULES: Record<string, { names: RegExp; in: RegExp }> = {
  'node:url': { names: /^domainToASCII$/, in: /^packages\/contract\/src\/host-name\.ts$/ },
  'node:crypto': {
    names:
      /^(createCipheriv|createDecipheriv|createHash|hash|createHmac|createPrivateKey|createPublicKey|createSecretKey|diffieHellman|hkdfSync|sign|verify|timingSafeEqual|KeyObject)$/,
    in: /^packages\/(contract|wireguard)\//,
  },
};

const CORE_WHY = 'core packages must give the same result for the same arguments, so that a simulation can drive them';
const BANNED_IN_CORE: [RegExp, string][] = [
  [/\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)|(?<!new\s+)(?<![\w$.])Date\s*\(/g, 'time is an argument'],
  [/(?<![\w$.])performance\b/g, 'time is an argument'],
  [/(?<![\w$.])(setTimeout|setInterval|setImmediate|queueMicrotask)\b/g, 'say the next deadline instead of waiting'],
  [/(?<![\w$.])crypto\s*\.\s*(getRandomValues|randomUUID|subtle)\b/g, 'random bytes are an argument'],
  [/(?<![\w$.])(process\s*\.|globalThis\b)/g, 'the process belongs to main.ts'],
  [/(?<![\w$.])(fetch|console|WebSocket)\s*[.(]/g, 'IO belongs to the shell'],
];

const sources = readSources();
const isCore = (path: string): boolean =>
  Object.entries(CORE).some(
    ([folder, shell]) => path.startsWith(folder) && !shell.some((part) => path.startsWith(folder + part)),
  );
const core = sources.filter(({ path }) => isCore(path) && !isTestCode(path));
const shipped = sources.filter(({ path }) => /^(packages|apps)\//.test(path) && !isTestCode(path));
const isMain = (path: string) => /(^|\/)main\.ts$/.test(path);

function findings(files: SourceFile[], pattern: RegExp, why: string): string[] {
  return files.flatMap((file) =>
    places(file, pattern).map(({ place, text }) => `${place} uses ${text.trim()}: ${why}`),
  );
}

test('core packages have no clock, randomness, timers or process', () => {
  assertNone(BANNED_IN_CORE.flatMap(([pattern, why]) => findings(core, pattern, `${why}. ${CORE_WHY}`)));
});

test('core packages import nothing of Node but what only computes', () => {
  const found: string[] = [];
  for (const file of core) {
    for (const { specifier, clause, typeOnly, line } of file.imports) {
      if (!specifier.startsWith('node:') || typeOnly) continue;
      const allowed = PURE_MODULES[specifier];
      const names = clause
        .replace(/[{}\n]/g, ' ')
        .split(',')
        .map((name) => name.trim().split(/\s+as\s+/)[0] ?? '');
      const impure = names.filter((name) => name !== '' && !name.startsWith('type ') && !allowed?.names.test(name));
      if (allowed?.in.test(file.path) && impure.length === 0) continue;
      const what = impure.length > 0 ? `${impure.join(', ')} of ${specifier}` : specifier;
      found.push(`${file.path}:${line} imports ${what}: IO, clocks and randomness come in as arguments. ${CORE_WHY}`);
    }
  }
  assertNone(found);
});

test('only main.ts reads the environment, installs signal handlers or exits', () => {
  const files = shipped.filter(({ path }) => !isMain(path));
  const why = 'only main.ts does; pass what it reads as an argument, return what it should exit with';
  const signals = files.flatMap((file) =>
    places(file, /\bprocess\s*\.\s*(on|once|addListener|prependListener)\s*\(\s*['"]/g)
      .map(({ place, text }, index) => ({ place, text, index }))
      .filter(({ place }) => /['"]SIG/.test(file.source.split('\n')[Number(place.split(':')[1]) - 1] ?? ''))
      .map(({ place, text }) => `${place} uses ${text}SIG…: ${why}`),
  );
  const imported = files.flatMap((file) =>
    file.imports
      .filter(({ specifier, clause }) => /^(node:)?process$/.test(specifier) && /\b(env|exit|on|once)\b/.test(clause))
      .map(({ line, clause }) => `${file.path}:${line} imports ${clause} from node:process: ${why}`),
  );
  assertNone([...findings(files, /\bprocess\s*\.\s*(env|exit|exitCode|abort|kill)\b/g, why), ...signals, ...imported]);
});

test('nothing uses Math.random', () => {
  assertNone(findings(sources, /\bMath\s*\.\s*random\b/g, 'secrets need node:crypto, and tests a seeded generator'));
});

test('no program is run through a shell or blocks the event loop', () => {
  const why = 'run programs with execFile or spawn and an array of arguments: a shell reads names as code';
  const imported = sources.flatMap((file) =>
    file.imports
      .filter(({ specifier }) => /^(node:)?child_process$/.test(specifier))
      .filter(({ clause }) => /(?<!as\s+)\b(exec|execSync)\b/.test(clause) || /^\*|^[\w$]+/.test(clause))
      .map(({ line, clause }) => `${file.path}:${line} imports ${clause} from node:child_process: ${why}`),
  );
  const blocking = shipped.flatMap((file) =>
    file.imports
      .filter(
        ({ specifier, clause }) => /child_process$/.test(specifier) && /\b(execFileSync|spawnSync)\b/.test(clause),
      )
      .map(({ line, clause }) => `${file.path}:${line} imports ${clause}: it stops everything else while it runs`),
  );
  assertNone([...findings(sources, /\bshell\s*:\s*true\b/g, why), ...imported, ...blocking]);
});

/** Programs that handle signals by themselves, and why. */
const OWN_SIGNALS: Record<string, string> = {
  'apps/cli/src/main.ts': 'hands signals on to the client, which decides how it ends',
};

test('programs handle signals by packages/program', () => {
  const why = 'one Ctrl-C may arrive twice, and a clean-up must outlive that: use stopRequested';
  const files = sources.filter(({ path }) => !OWN_SIGNALS[path]);
  assertNone(
    findings(files, /\bprocess\s*\.\s*(on|once|addListener)\s*\(\s*signal\b/g, why).concat(
      files.flatMap(({ path, source }) =>
        /\bprocess\s*\.\s*(on|once|addListener)\s*\(\s*['"]SIG/.test(source) ? [`${path}: ${why}`] : [],
      ),
    ),
  );
});

test('file paths are not taken from the pathname of a URL', () => {
  const why = 'it keeps %20 for a blank, so nothing works in a folder whose name has one: use fileURLToPath';
  assertNone(findings(sources, /\bimport\.meta\.url\s*\)\s*\.\s*pathname\b/g, why));
});
