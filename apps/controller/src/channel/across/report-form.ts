import { PathReport, ProbeResult } from '@sallyport/contract/channel';
import { z } from 'zod';
import type { Presence, ReportKind } from '../types.ts';

/** Reports of an agent, of one kind each, as the process that has it tells them. */
export interface SharedReports {
  readonly statistics?: Pick<Presence, 'applied' | 'statistics' | 'clockSkewMs'>;
  readonly probes?: readonly ProbeResult[];
  readonly paths?: {
    readonly paths: readonly PathReport[];
    /** Milliseconds by gateway. */
    readonly times: readonly (readonly [gateway: string, rttMs: number])[];
  };
}

const Statistics = z.object({
  applied: z
    .object({ revision: z.object({ epoch: z.string(), number: z.number() }), hash: z.string(), tookMs: z.number() })
    .nullable(),
  statistics: z.object({
    connectedDevices: z.number(),
    bytesIn: z.number(),
    bytesOut: z.number(),
    lastHandshake: z.number().nullable(),
  }),
  clockSkewMs: z.number().nullable(),
});

const Reports = z.object({
  statistics: Statistics.optional(),
  probes: z.array(ProbeResult).optional(),
  paths: z.object({ paths: z.array(PathReport), times: z.array(z.tuple([z.string(), z.number()])) }).optional(),
});

const Kind = z.enum(['statistics', 'probes', 'paths'] satisfies ReportKind[]);
const Question = z.object({ agents: z.array(z.string().max(64)), kind: Kind });
const Answer = z.record(z.string(), Reports);

/** Reads a question of another process; null: it is none. */
export const readQuestion = (body: unknown): z.infer<typeof Question> | null => Question.safeParse(body).data ?? null;

/** Reads an answer of another process; null: it is none. */
export const readAnswer = (body: unknown): Readonly<Record<string, SharedReports>> | null =>
  (Answer.safeParse(body).data as Record<string, SharedReports> | undefined) ?? null;

/** Length of an answer as JSON. Messages have 64 KiB. */
const answerLength = 60_000;

/**
 * Returns an answer about as many of the agents as fit. Of a single agent whose reports do not fit, only the first ones are
 * told.
 */
export function fittingAnswer(
  agents: readonly string[],
  reportsOf: (agent: string) => SharedReports | null,
): Record<string, SharedReports> {
  const answer: Record<string, SharedReports> = {};
  let length = 0;
  for (const agent of agents) {
    let reports = reportsOf(agent) ?? {};
    let own = JSON.stringify(reports).length + agent.length + 4;
    if (length > 0 && length + own > answerLength) break;
    for (; own > answerLength; own = JSON.stringify(reports).length + agent.length + 4) reports = halved(reports);
    answer[agent] = reports;
    length += own;
  }
  return answer;
}

function halved({ probes, paths, ...reports }: SharedReports): SharedReports {
  const half = <T>(list: readonly T[]): readonly T[] => list.slice(0, Math.floor(list.length / 2));
  return {
    ...reports,
    ...(probes && { probes: half(probes) }),
    ...(paths && { paths: { paths: half(paths.paths), times: half(paths.times) } }),
  };
}
