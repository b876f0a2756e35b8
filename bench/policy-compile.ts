import { TenantCompiler } from '@sallyport/policy';
import { benchSettings, tenantChanges, wholeTenant } from './policy-tenant.ts';

/** Compiles a whole tenant once in its own process. Prints milliseconds and the peak memory of the process. */
const changes = tenantChanges(wholeTenant);
const from = performance.now();
const compiler = new TenantCompiler(benchSettings);
const deltas = compiler.apply(changes, Date.UTC(2026, 10, 23, 9));
const milliseconds = performance.now() - from;
const megabytes = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ milliseconds, megabytes, gateways: deltas.size }));
