// How numbers, dates and spans of time are written, and what a status means.
import type { Job } from "./api";

const RESTING = new Set(["CREATED", "ANALYSIS_DONE", "DONE", "FAILED", "STOPPED"]);

/** Whether nothing happens without the user; an analysed request that was started waits for its turn. */
export const rests = (job: Job): boolean =>
  RESTING.has(job.status) && !(job.status === "ANALYSIS_DONE" && job.userAction === "START");

/** Whether the user may start it: what failed, or lacks intervals, is tried again (docs/states.md). */
export const startable = (job: Job): boolean =>
  job.status === "DONE" ? (job.progress?.failed ?? 0) + (job.progress?.incomplete ?? 0) > 0 : rests(job);

/** A number with about four digits; a dash for none. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3 ? value.toExponential(3) : String(+value.toPrecision(4));
}

/** A number of a tile, which is rounded to half a thousandth: three digits of it hold. */
export const about = (value: number | null): string => (value === null ? number(null) : `about ${number(+value.toPrecision(3))}`);

export const percent = (share: number | null | undefined): string =>
  share === null || share === undefined ? "–" : `${Math.round(share * 1000) / 10} %`;

/** Prefix of the columns of classes' shares. */
export const SHARE = "share_";
const NAMES: Record<string, string> = {
  weightedMean: "weighted mean", cloudy_share: "cloudy", valid_share: "valid", stDev: "st. dev.",
};

/** A column of numbers, as people call it. */
export const heading = (name: string): string => (name.startsWith(SHARE) ? `share of ${name.slice(SHARE.length)}` : NAMES[name] ?? name);

/** A number of such a column. */
export const cell = (name: string, value: number | boolean | null | undefined): string => {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return name.startsWith(SHARE) || name === "cloudy_share" ? percent(value) : number(value);
};

/** The day of an instant, in UTC as the API has it. */
export const day = (instant: string | null): string => (instant ? instant.slice(0, 10) : "–");

/** An instant in the reader's time zone. */
export const moment = (instant: string): string => new Date(instant).toLocaleString();

export function span(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 360) / 10} h`;
}
