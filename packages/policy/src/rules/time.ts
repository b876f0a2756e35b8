import type { Timing } from './timing.ts';
import type { Zone } from './zone.ts';

export const weekdays = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'] as const;

/**
 * `time` in a rule: the wall clock of a zone at a moment. It takes note of what is asked of it: `boundary` is the first
 * later moment at which any answer given so far may be another one (Infinity: none).
 */
export class RuleTime {
  boundary = Number.POSITIVE_INFINITY;
  readonly #at: number;
  readonly #zone: Zone;
  readonly #offset: number;
  /** Wall clock as if it were UTC, and its midnight. */
  readonly #local: number;
  readonly #midnight: number;
  readonly #timing: Pick<Timing, 'hours' | 'minutes'>;

  /** `timing` says which hours and minutes are told apart by who asks. */
  constructor(at: number, zone: Zone, timing: Pick<Timing, 'hours' | 'minutes'> = { hours: null, minutes: null }) {
    this.#at = at;
    this.#timing = timing;
    this.#zone = zone;
    this.#offset = zone.offset(at);
    this.#local = at + this.#offset;
    this.#midnight = Math.floor(this.#local / day) * day;
  }

  get hour(): bigint {
    const now = Math.floor((this.#local - this.#midnight) / hour);
    this.#until(this.#midnight + nextCut(this.#timing.hours, now, 24) * hour);
    return BigInt(now);
  }

  get minute(): bigint {
    const now = Math.floor((this.#local % hour) / minute);
    this.#until(Math.floor(this.#local / hour) * hour + nextCut(this.#timing.minutes, now, 60) * minute);
    return BigInt(now);
  }

  get weekday(): string {
    this.#until(this.#midnight + day);
    // 1 January 1970 was a Thursday.
    return weekdays[(Math.floor(this.#midnight / day) + 3) % 7] as string;
  }

  get date(): string {
    this.#until(this.#midnight + day);
    return new Date(this.#midnight).toISOString().slice(0, 10);
  }

  /** From one time of the day, inclusive, to another, exclusive; past midnight when the second is the earlier one. */
  between(from: string, to: string): boolean {
    const [start, end] = [timeOfDay(from), timeOfDay(to)];
    if (start === end) throw new RangeError('time.between needs two different times');
    for (const moment of [start, end]) {
      const next = this.#midnight + moment;
      this.#until(next > this.#local ? next : next + day);
    }
    const now = this.#local - this.#midnight;
    return start < end ? start <= now && now < end : start <= now || now < end;
  }

  onWeekdays(days: readonly string[]): boolean {
    for (const name of days) assertWeekday(name);
    return days.includes(this.weekday);
  }

  before(text: string): boolean {
    const local = localMoment(text);
    if (Math.abs(local - this.#local) > farAway) return this.#beforeFar(local);
    const threshold = this.#zone.firstAt(local);
    if (threshold > this.#at) this.boundary = Math.min(this.boundary, threshold);
    return this.#at < threshold;
  }

  after(text: string): boolean {
    return !this.before(text);
  }

  /** Far from now no offset of a zone matters, and working that one out is dear. */
  #beforeFar(local: number): boolean {
    if (local < this.#local) return false;
    this.boundary = Math.min(this.boundary, local - 2 * day);
    return true;
  }

  /** The answer given holds until the wall clock shows this, or is put forward or back. */
  #until(local: number): void {
    this.boundary = Math.min(this.boundary, local - this.#offset, this.#zone.nextTransition(this.#at));
  }
}

/** The first value after `now` at which an answer can change, or the end. */
function nextCut(cuts: readonly number[] | null, now: number, end: number): number {
  return cuts === null ? now + 1 : (cuts.find((cut) => cut > now) ?? end);
}

/** Milliseconds since midnight of `HH:MM`; `24:00` is the end of the day. Throws RangeError. */
export function timeOfDay(text: string): number {
  const [, hours, minutes] = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(text) ?? [];
  const time = Number(hours) * hour + Number(minutes) * minute;
  if (!(time <= day)) throw new RangeError(`not a time of the day as in '08:30': ${text}`);
  return time;
}

/** Local time `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM` as if it were UTC. Throws RangeError. */
export function localMoment(text: string): number {
  const [, date, time = '00:00'] = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d))?$/.exec(text) ?? [];
  const midnight = Date.parse(`${date}T00:00Z`);
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== date)
    throw new RangeError(`not a date or time as in '2026-12-24' or '2026-12-24T18:00': ${text}`);
  return midnight + timeOfDay(time);
}

/** Throws RangeError. */
export function assertWeekday(name: string): void {
  if (!weekdays.some((known) => known === name))
    throw new RangeError(`not a weekday (${weekdays.join(', ')}): ${name}`);
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
/** Longer than rules look ahead. */
const farAway = 30 * day;
