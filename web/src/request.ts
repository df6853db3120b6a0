// A new request: from the form's fields to the JSON that is sent, and to the Python that does the same.
export interface Wish {
  features: string;
  output: string;
  collection: string;
  evalscript: string;
  from: string;
  to: string;
  days: number;
  metres: number;
  /** Metres in a unit of the file's CRS; null: degrees; undefined: not known yet. */
  metresPerUnit: number | null | undefined;
  order: string;
  percentiles: number[];
  /** Names of further statistics. */
  more: string[];
  /** Name and value of each class of an integer output whose share is asked for. */
  shares: [string, number][];
  /** Output with the classes; empty: all integer outputs. */
  sharesOf: string;
  /** Which samples belong to a polygon. */
  rule: string;
  /** Metres by which polygons are made smaller. */
  inner: number;
  /** What becomes of polygons smaller than a sample: words of the pixel rule, or empty. */
  tiny: string;
  /** Id of an earlier request, of which only what is new is computed; or empty. */
  update: string;
  /** What is written; empty: the server's default. */
  results: string;
  accessKey: string;
  secretAccessKey: string;
}

const METRES_PER_DEGREE = 111_320;

/** The sample size in units of the file's CRS. */
export function resolution(metres: number, metresPerUnit: number | null): number {
  return metresPerUnit === null ? +(metres / METRES_PER_DEGREE).toPrecision(6) : metres / metresPerUnit;
}

/** What has no meaning where samples count by the share that a polygon covers. */
export const UNWEIGHTED = ["median", "mode"];

/** The pixel rule, in the words of the API. */
function pixels(wish: Wish): string {
  const inner = wish.inner > 0 && wish.metresPerUnit !== null ? [`inner:${wish.inner}`] : [];
  return [wish.rule, ...inner, ...(wish.tiny ? [wish.tiny] : [])].join(",");
}

/** `calculations`; an output with an entry of its own takes nothing from `default`. */
function calculations(wish: Wish): Record<string, unknown> {
  const weighted = wish.rule === "weighted";
  const more = wish.more.filter((name) => !weighted || !UNWEIGHTED.includes(name));
  const wishes = {
    ...(wish.percentiles.length && !weighted ? { percentiles: { k: wish.percentiles } } : {}),
    ...(more.length ? { more } : {}),
  };
  const classes = wish.shares.length && !weighted ? { ...wishes, shares: Object.fromEntries(wish.shares) } : wishes;
  const entry = (each: object) => ({ statistics: { default: each } });
  const outputs = {
    ...(Object.keys(wish.sharesOf ? wishes : classes).length ? { default: entry(wish.sharesOf ? wishes : classes) } : {}),
    ...(wish.sharesOf && classes !== wishes ? { [wish.sharesOf]: entry(classes) } : {}),
  };
  return Object.keys(outputs).length ? { calculations: outputs } : {};
}

/** The body of the batch request; without a sample size as long as the unit is not known. */
export function body(wish: Wish): Record<string, unknown> {
  const keys = wish.accessKey ? { accessKey: wish.accessKey, secretAccessKey: wish.secretAccessKey } : {};
  const unit = wish.metresPerUnit;
  const size = unit === undefined ? undefined : resolution(wish.metres, unit);
  const rule = pixels(wish);
  return {
    input: {
      features: { s3: { url: wish.features, ...keys }, columns: ["*"] },
      data: [{ type: wish.collection, dataFilter: { mosaickingOrder: wish.order } }],
    },
    aggregation: {
      timeRange: { from: `${wish.from}T00:00:00Z`, to: `${wish.to}T00:00:00Z` },
      aggregationInterval: { of: `P${wish.days}D`, lastIntervalBehavior: "SHORTEN" },
      evalscript: wish.evalscript,
      ...(size === undefined ? {} : { resx: size, resy: size }),
      ...(rule === "service" ? {} : { pixels: rule }),
    },
    ...calculations(wish),
    output: { s3: { url: wish.output, ...keys }, ...(wish.results ? { results: wish.results } : {}) },
    ...(wish.update ? { update: wish.update } : {}),
  };
}

/** The same body with its secret hidden, to be shown. */
export function shown(wish: Wish): Record<string, unknown> {
  return body(wish.secretAccessKey ? { ...wish, secretAccessKey: "…" } : wish);
}

function literal(value: unknown, indent: string): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "object") {
    const deeper = `${indent}    `;
    const list = Array.isArray(value);
    const parts = list
      ? value.map((each) => literal(each, deeper))
      : Object.entries(value as object).map(([key, each]) => `${JSON.stringify(key)}: ${key === "evalscript" ? "EVALSCRIPT" : literal(each, deeper)}`);
    const line = parts.join(", ");
    const [open, close] = list ? "[]" : "{}";
    if (line.length + indent.length < 88 && !line.includes("\n")) return `${open}${line}${close}`;
    return `${open}\n${parts.map((part) => `${deeper}${part},\n`).join("")}${indent}${close}`;
  }
  return JSON.stringify(value);
}

/** A Python program that makes, starts and follows the request. */
export function python(wish: Wish, client: string, server: string): string {
  const script = wish.evalscript.replace(/\\/g, "\\\\").replace(/"(?=""|$)/g, '\\"');
  return `import arpent

EVALSCRIPT = """${script}"""

request = ${literal(shown(wish), "")}

client = arpent.Client(${JSON.stringify(server)}, ${JSON.stringify(client)}, "<secret>")
job = client.submit(request)
job.watch()
`;
}
