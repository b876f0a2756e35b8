// Types and lint of the whole source tree. Run by check.sh. Exit code 0 when both are clean.
import process from 'node:process';
import { brokenChecks, checkSources, timesOf } from './checks.ts';

const started = performance.now();
const checks = checkSources();
const broken = brokenChecks(checks);
console.log(`\n${timesOf(checks)}in all ${((performance.now() - started) / 1000).toFixed(1)} s`);
console.log(broken === '' ? 'clean' : broken);
process.exitCode = broken === '' ? 0 : 1;
