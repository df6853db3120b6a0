// Calls of the server, as the client who has signed in. The token lives as long as the tab; the secret is never kept.
export interface Rows {
  withNumbers: number;
  allMasked: number;
  withoutImagery: number;
  failed: number;
  /** Of all of them, those whose numbers an earlier request computed. */
  kept?: number;
  reasons: { reason: string; count: number }[];
}

export interface Progress {
  features: number;
  done: number;
  failed: number;
  incomplete: number;
  partitions: number;
  open: number;
  /** What the rows (a feature in an interval) came to; absent where nobody knows. */
  rows?: Rows;
  featuresPerSecond: number | null;
  secondsLeft: number | null;
  estimatedEnd: string | null;
}

export interface Job {
  id: string;
  status: string;
  userAction?: string;
  created: string;
  lastUpdated?: string;
  completionPercentage: number;
  costPU: number;
  error?: string;
  hint?: string;
  stoppedStatusReason?: string;
  waiting?: { for: string; since: string };
  estimate?: Record<string, number>;
  progress?: Progress;
  request?: Record<string, unknown>;
}

export interface Overview {
  features: number;
  bbox: [number, number, number, number] | null;
  outputs: { id: string; bands: string[] }[];
  statistics: string[];
  intervals: { from: string; to: string; withNumbers: number }[];
  failed: number;
  verdicts: Record<string, number>;
}

export interface Scale {
  min: number | null;
  low: number | null;
  high: number | null;
  max: number | null;
}

export interface Row {
  from: string | null;
  to: string | null;
  output: string | null;
  band: string | null;
  min: number | null;
  max: number | null;
  mean: number | null;
  stDev: number | null;
  sampleCount: number | null;
  noDataCount: number | null;
  geometryPixelCount: number | null;
  validShare: number | null;
  percentiles: Record<string, number | null>;
  /** By column: further statistics, `share_` of each class, `cloudy_share`, and `tiny`. */
  more: Record<string, number | boolean | null>;
  status: string;
  reason: string | null;
  items: string[] | null;
}

export interface Finding {
  id: number;
  identifier: string | null;
  verdict: string;
  kind: string;
  message: string;
}

export interface Series {
  id: number;
  identifier: string | null;
  properties: Record<string, string | number | boolean | null>;
  bbox: [number, number, number, number] | null;
  findings: Finding[];
  data: Row[];
}

export interface Offers {
  collections: { id: string; indices: { id: string; title: string }[]; masks: boolean }[];
  places: string[];
  uploadBytes: number;
  endings: string[];
  basemap: string | null;
}

/** A refusal of the server, in its words. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

const KEY = "arpent";
const BATCH = "./api/v1/statistics/batch";
const TRIES = 5;
let session: { client: string; token: string } | null = restored();
let left: (() => void) | null = null;

function restored(): { client: string; token: string } | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  } catch {
    return null;
  }
}

/** Who has signed in, or null. */
export const client = (): string | null => session?.client ?? null;

/** Calls this once the session has ended, by the user or because its token is old. */
export function onLeave(action: () => void): void {
  left = action;
}

/** Signs out. */
export function leave(): void {
  session = null;
  sessionStorage.removeItem(KEY);
  left?.();
}

/** Exchanges a client's id and secret for a token. */
export async function enter(id: string, secret: string): Promise<void> {
  const form = new URLSearchParams({ grant_type: "client_credentials", client_id: id, client_secret: secret });
  const answer = await fetch("./oauth/token", { method: "POST", body: form });
  const told = (await answer.json()) as { access_token?: string; error_description?: string };
  if (!answer.ok || !told.access_token) throw new Refusal(told.error_description ?? answer.statusText, answer.status);
  session = { client: id, token: told.access_token };
  sessionStorage.setItem(KEY, JSON.stringify(session));
}

/** The header that says who asks. */
export const authorization = (): Record<string, string> => (session ? { authorization: `Bearer ${session.token}` } : {});

/** The words of a refusal: the message, and what is wrong with which field. */
export async function words(answer: Response): Promise<Refusal> {
  try {
    const { error } = (await answer.json()) as { error: { message?: string } };
    return new Refusal(error.message ?? answer.statusText, answer.status);
  } catch {
    return new Refusal(`The server answered ${answer.status} ${answer.statusText}`, answer.status);
  }
}

async function sent(path: string, options: RequestInit): Promise<Response> {
  for (let turn = 1; ; turn++) {
    let answer: Response;
    try {
      answer = await fetch(path, { ...options, headers: { ...authorization(), ...(options.headers ?? {}) } });
    } catch (error) {
      if ((error as Error).name === "AbortError") throw error;
      throw new Refusal("The server does not answer. Is it running?", 0);
    }
    if (answer.ok) return answer;
    if (answer.status === 401) {
      leave();
      throw new Refusal("The session has ended: sign in again.", 401);
    }
    const again = answer.status === 429 || (answer.status === 503 && (options.method ?? "GET") === "GET");
    if (!again || turn === TRIES) throw await words(answer);
    // Retry-After is in milliseconds, as from the real service.
    await new Promise((done) => setTimeout(done, Math.min(10_000, Number(answer.headers.get("retry-after")) || 1000)));
  }
}

/** One answer as JSON. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await sent(path, signal ? { signal } : {})).json()) as T;
}

/** One answer as a file. */
export const file = async (path: string): Promise<Blob> => (await sent(path, {})).blob();

async function post<T>(path: string, body?: unknown): Promise<T | null> {
  const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const answer = await sent(path, { method: "POST", ...json });
  return answer.status === 204 ? null : ((await answer.json()) as T);
}

export interface JobList {
  data: Job[];
  links: { nextToken?: string };
}
export const jobs = (token: string, signal?: AbortSignal): Promise<JobList> =>
  get(`${BATCH}?count=50${token ? `&viewtoken=${encodeURIComponent(token)}` : ""}`, signal);
export const jobPath = (id: string): string => `${BATCH}/${encodeURIComponent(id)}`;
export const job = (id: string, signal?: AbortSignal): Promise<Job> => get(jobPath(id), signal);
export const act = (id: string, action: string): Promise<null> => post(`${jobPath(id)}/${action}`) as Promise<null>;
export const create = (request: unknown): Promise<Job> => post(BATCH, request) as Promise<Job>;
export const offers = (): Promise<Offers> => get("./page/form");
let known: Promise<Offers> | null = null;
/** The base map, which is asked for once: the form is large. */
export async function basemap(): Promise<string | null> {
  known ??= offers();
  try {
    return (await known).basemap;
  } catch (error) {
    known = null;
    throw error;
  }
}

/** Puts a file into a bucket; its URL. `seen` is told the share that is there. */
export function upload(place: string, content: File, seen: (share: number) => void): Promise<string> {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest(); // fetch does not tell how far it is
    const query = new URLSearchParams({ place, name: content.name });
    request.open("POST", `./page/files?${query}`);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.upload.onprogress = (event) => seen(event.total ? event.loaded / event.total : 0);
    request.onerror = () => failed(new Refusal("The upload was interrupted. Is the server running?", 0));
    request.onload = async () => {
      if (request.status === 201) return done((JSON.parse(request.responseText) as { url: string }).url);
      failed(await words(new Response(request.responseText, { status: request.status || 500 })));
    };
    request.send(content);
  });
}
