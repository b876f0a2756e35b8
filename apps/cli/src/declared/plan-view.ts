import { styleText } from 'node:util';
import { clean } from '../text.ts';
import { isRecord } from './fields.ts';
import type { Change, Step } from './steps.ts';

/** Formats the plan like a diff, with a count of its steps. */
export function renderPlan(steps: readonly Step[], colour: boolean): string {
  if (steps.length === 0) return 'Nothing to do: the tenant matches the file.\n';
  return `${steps.map((step) => renderStep(step, colour)).join('')}\n${summary(steps)}\n`;
}

/** Returns one line about a step. */
export function stepLine({ action, kind, name }: Step): string {
  return `${action} ${kind} ${clean(name)}`;
}

/** Returns the plan for programs. */
export function planJson(steps: readonly Step[], applied: boolean): string {
  const plain = steps.map(({ action, kind, name, id, changes }) => ({ action, kind, name, id, changes }));
  return `${JSON.stringify({ steps: plain, applied })}\n`;
}

const SIGNS = {
  create: ['+', 'green'],
  update: ['~', 'yellow'],
  delete: ['-', 'red'],
  reorder: ['↕', 'yellow'],
} as const satisfies Record<Step['action'], readonly [string, Parameters<typeof styleText>[0]]>;

function renderStep(step: Step, colour: boolean): string {
  const [sign, style] = SIGNS[step.action];
  const head = `${sign} ${step.kind} ${clean(step.name)}`;
  const shown = colour ? styleText(style, head, { validateStream: false }) : head;
  return [shown, ...step.changes.flatMap((change) => changeLines(change, step.action))]
    .map((line) => `${line}\n`)
    .join('');
}

function changeLines({ field, before, after }: Change, action: Step['action']): string[] {
  if (action === 'create') return field === 'name' || field === 'email' ? [] : [`    ${field}: ${valueText(after)}`];
  if (Array.isArray(before) && Array.isArray(after) && action === 'update') return listLines(field, before, after);
  return [`    ${field}: ${valueText(before)} → ${valueText(after)}`];
}

/** Formats the removed and added entries of a list, so that a long list stays readable. */
function listLines(field: string, before: readonly unknown[], after: readonly unknown[]): string[] {
  const [old, now] = [before.map(valueText), after.map(valueText)];
  const lost = old.filter((entry) => !now.includes(entry)).map((entry) => `      - ${entry}`);
  const gained = now.filter((entry) => !old.includes(entry)).map((entry) => `      + ${entry}`);
  if (lost.length + gained.length === 0) return [`    ${field}: ${old.join(', ')} → ${now.join(', ')}`];
  return [`    ${field}:`, ...lost, ...gained];
}

function valueText(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(valueText).join(', ');
  if (!isRecord(value)) return clean(String(value));
  const entries = Object.entries(value).map(([key, entry]) => `${clean(key)} ${valueText(entry)}`);
  return entries.length === 0 ? '-' : `{${entries.join(', ')}}`;
}

const WORDS: Readonly<Record<Step['action'], string>> = {
  create: 'to create',
  update: 'to update',
  delete: 'to delete',
  reorder: 'to put in order',
};

function summary(steps: readonly Step[]): string {
  const counts = Object.entries(WORDS).map(
    ([action, word]) => [steps.filter((s) => s.action === action).length, word] as const,
  );
  return `${counts.flatMap(([count, word]) => (count === 0 ? [] : [`${count} ${word}`])).join(', ')}.`;
}
