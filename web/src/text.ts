// How numbers, dates and spans of time are written.
export const RESTING = new Set(["CREATED", "ANALYSIS_DONE", "DONE", "FAILED", "STOPPED"]);

/** A number with about four digits; a dash for none. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3 ? value.toExponential(3) : String(+value.toPrecision(4));
}

export const percent = (share: number | null | undefined): string =>
  share === null || share === undefined ? "–" : `${Math.round(share * 1000) / 10} %`;

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
