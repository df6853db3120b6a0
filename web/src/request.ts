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
  accessKey: string;
  secretAccessKey: string;
}

const METRES_PER_DEGREE = 111_320;

/** The sample size in units of the file's CRS. */
export function resolution(metres: number, metresPerUnit: number | null): number {
  return metresPerUnit === null ? +(metres / METRES_PER_DEGREE).toPrecision(6) : metres / metresPerUnit;
}

/** The body of the batch request; without a sample size as long as the unit is not known. */
export function body(wish: Wish): Record<string, unknown> {
  const keys = wish.accessKey ? { accessKey: wish.accessKey, secretAccessKey: wish.secretAccessKey } : {};
  const unit = wish.metresPerUnit;
  const size = unit === undefined ? undefined : resolution(wish.metres, unit);
  const percentiles = wish.percentiles.length
    ? { calculations: { default: { statistics: { default: { percentiles: { k: wish.percentiles } } } } } }
    : {};
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
    },
    ...percentiles,
    output: { s3: { url: wish.output, ...keys } },
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
