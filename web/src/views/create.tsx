// New request: a file of fields, an index or a script, and dates; with the JSON and the Python of it.
import { useEffect, useState } from "preact/hooks";
import * as api from "../api";
import { body, python, shown, type Wish } from "../request";
import { number } from "../text";
import { Choice, Field, Source, Trouble, said, useAnswer } from "../ui";
import { Classes, Further, Pixels, classesOf } from "./further";

interface Described {
  features: number;
  crs: string | null;
  name: string;
  metresPerUnit: number | null;
}

const ORDERS = { mostRecent: "the newest", leastRecent: "the oldest", leastCC: "the least cloudy" };
const RESULTS = {
  "": "the server's default", "files,table": "a file for each feature, and a table", table: "a table", files: "a file for each feature",
};
/** Units of coordinates, where only the user knows: metres in one; null: degrees. */
const UNITS = { metres: 1, degrees: null };
/** Remarks on the sample size, by metres in a unit. */
const SIZES: Record<string, string> = { null: "The file is in degrees: the size is converted.", undefined: "It depends on the file's unit, which is not known yet." };
const PREFERRED = "sentinel-2-l2a";
/** How many indices stand there before anybody looks for one. */
const USUAL = 12;

/** A day of last year in the growing season, `month` counted from 1. */
const lastYear = (month: number): string => `${new Date().getFullYear() - 1}-${String(month).padStart(2, "0")}-01`;

/** The dates of the newest request, which the next one most often shares; else a season of last year. */
function rangeOf(before: api.Job | undefined): { from: string; to: string } {
  const aggregation = before?.request?.aggregation as { timeRange?: { from?: string; to?: string } } | undefined;
  const [from, to] = [aggregation?.timeRange?.from, aggregation?.timeRange?.to].map((each) => /^\d{4}-\d\d-\d\d/.exec(each ?? "")?.[0]);
  return from && to ? { from, to } : { from: lastYear(5), to: lastYear(8) };
}

/** Where the results of a request went. */
const outputOf = (job: api.Job | undefined): string | undefined =>
  (job?.request?.output as { s3?: { url?: string } } | undefined)?.s3?.url;

export function CreateView({ client }: { client: string }) {
  const { value, trouble } = useAnswer("form", async () => ({ offers: await api.offers(), before: (await api.jobs("")).data }));
  if (!value) return trouble ? <Trouble text={trouble} /> : <p role="status">Loading …</p>;
  return <Form client={client} offers={value.offers} before={value.before} />;
}

function Form({ client, offers, before }: { client: string; offers: api.Offers; before: api.Job[] }) {
  const places = offers.places;
  const first = offers.collections.find((each) => each.id === PREFERRED) ?? offers.collections[0];
  const [place, setPlace] = useState(places[0] ?? "");
  const [sent, setSent] = useState<number | null>(null);
  const [way, setWay] = useState<"index" | "script">(first?.indices.length ? "index" : "script");
  const [indices, setIndices] = useState<string[]>(first?.indices.length ? [first.indices[0]!.id] : []);
  const [sought, setSought] = useState("");
  const [mask, setMask] = useState(true);
  const [ranks, setRanks] = useState("");
  const [classes, setClasses] = useState("");
  const [fields, setWish] = useState<Omit<Wish, "metresPerUnit">>({
    features: "", output: places[0] ? `s3://${places[0]}/results` : "", collection: first?.id ?? "", evalscript: "",
    ...rangeOf(before[0]), days: 10, metres: 10, order: "leastCC", percentiles: [], more: ["cloudyShare"], shares: [], sharesOf: "",
    rule: "service", inner: 0, tiny: "", update: "", results: "", accessKey: "", secretAccessKey: "",
  });
  /** The file that the server is asked about, and the unit that the user gave for one that it cannot read. */
  const [asked, setAsked] = useState<string | null>(null);
  const [told, setTold] = useState<{ url: string; unit: keyof typeof UNITS } | null>(null);
  const look = useAnswer(asked, (signal) => api.get<Described>(`./page/features?url=${encodeURIComponent(asked!)}`, signal));
  const answered = asked !== null && asked === fields.features && !look.loading;
  const described = answered ? look.value : null;
  const unseen = answered ? look.trouble : null;
  const given = unseen && told?.url === asked ? UNITS[told.unit] : undefined;
  const wish: Wish = { ...fields, metresPerUnit: described ? described.metresPerUnit : given };
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  const change = (part: Partial<Wish>) => setWish((before) => ({ ...before, ...part }));
  const collection = offers.collections.find((each) => each.id === wish.collection);
  const usable = indices.filter((index) => collection?.indices.some((each) => each.id === index));
  const masked = mask && !!collection?.masks;
  // There are some 200 indices: the usual ones come first, the others by their name.
  const listed = (collection?.indices ?? []).filter((each, place) =>
    usable.includes(each.id) ||
    (sought ? `${each.id} ${each.title}`.toLowerCase().includes(sought.toLowerCase()) : place < USUAL));

  // The script of the chosen indices, as the server writes it.
  const scriptQuery = way === "index" && usable.length
    ? new URLSearchParams([...usable.map((each) => ["index", each]), ["collection", wish.collection], ["mask", String(masked)]] as string[][]).toString()
    : null;
  const made = useAnswer(scriptQuery, (signal) => api.get<{ evalscript: string }>(`./page/script?${scriptQuery}`, signal));
  useEffect(() => {
    if (way === "index" && made.value) change({ evalscript: made.value.evalscript });
  }, [made.value, way]);
  useEffect(() => {
    const numbers = ranks.split(/[\s,;]+/).filter(Boolean).map(Number).filter((each) => each > 0 && each < 100);
    change({ percentiles: numbers });
  }, [ranks]);
  // Indices have no classes.
  useEffect(() => change({ shares: way === "script" ? classesOf(classes) : [] }), [classes, way]);

  const chosen = async (event: Event) => {
    const content = (event.currentTarget as HTMLInputElement).files?.[0];
    if (!content) return;
    setTrouble(null);
    if (content.size > offers.uploadBytes) {
      setTrouble(`The file has ${number(content.size)} bytes, and at most ${number(offers.uploadBytes)} are accepted.`);
      return;
    }
    setSent(0);
    try {
      const url = await api.upload(place, content, setSent);
      change({ features: url });
      setAsked(url);
    } catch (error) {
      setTrouble(said(error));
    }
    setSent(null);
  };
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setBusy(true);
    setTrouble(null);
    try {
      const job = await api.create(body(wish));
      try {
        await api.act(job.id, "start");
      } finally {
        location.hash = `#/jobs/${job.id}`; // it is there, started or not
      }
    } catch (error) {
      setTrouble(said(error));
      setBusy(false);
    }
  };
  const server = new URL("./", document.baseURI).href.replace(/\/$/, "");
  return (
    <form class="create" onSubmit={submit}>
      <section class="card">
        <h1>New request</h1>
        <fieldset>
          <legend>Fields</legend>
          {places.length && offers.uploadBytes ? (
            <>
              {places.length > 1 ? (
                <Field label="Bucket">
                  <select
                    value={place}
                    onChange={(event) => {
                      setPlace(event.currentTarget.value);
                      change({ output: `s3://${event.currentTarget.value}/results` });
                    }}
                  >
                    {places.map((each) => (
                      <option key={each}>{each}</option>
                    ))}
                  </select>
                </Field>
              ) : null}
              <Field label="Upload a file" hint={`GeoPackage, GeoJSON, FlatGeobuf, GeoParquet, or a zipped Shapefile; up to ${number(offers.uploadBytes / 1e6)} MB.`}>
                <input type="file" name="file" accept={offers.endings.map((each) => `.${each}`).join(",")} disabled={sent !== null} onChange={chosen} />
              </Field>
            </>
          ) : (
            <>
              <p>This server uses real buckets: give a file in yours, and keys unless the server has access.</p>
              <Field label="Access key">
                <input value={wish.accessKey} autocomplete="off" onInput={(event) => change({ accessKey: event.currentTarget.value.trim() })} />
              </Field>
              <Field label="Secret access key">
                <input type="password" value={wish.secretAccessKey} autocomplete="off" onInput={(event) => change({ secretAccessKey: event.currentTarget.value.trim() })} />
              </Field>
            </>
          )}
          <Field label="File in a bucket">
            <input
              name="features" required pattern="s3://.+/.+" placeholder="s3://fields/fields.gpkg" value={wish.features}
              onInput={(event) => change({ features: event.currentTarget.value })}
              onChange={(event) => setAsked(event.currentTarget.value || null)}
            />
          </Field>
          <p role="status" class="line">
            {sent !== null
              ? `Uploading, ${Math.round(sent * 100)} % …`
              : described
                ? `${number(described.features)} features in ${described.crs ?? described.name}${described.crs ? "" : ", which the server does not support"}`
                : asked && asked === wish.features && !unseen
                  ? "Reading the file …"
                  : ""}
          </p>
        </fieldset>
        <fieldset>
          <legend>What to compute</legend>
          <Field label="Collection">
            <select value={wish.collection} onChange={(event) => change({ collection: event.currentTarget.value })}>
              {offers.collections.map((each) => (
                <option key={each.id}>{each.id}</option>
              ))}
            </select>
          </Field>
          <div class="choice" role="radiogroup" aria-label="Index or script">
            <label>
              <input type="radio" name="way" checked={way === "index"} disabled={!collection?.indices.length} onChange={() => setWay("index")} /> Indices
            </label>
            <label>
              <input type="radio" name="way" checked={way === "script"} onChange={() => setWay("script")} /> My own script
            </label>
          </div>
          {way === "index" ? (
            <>
              <Field label="Find an index" hint={`${collection?.indices.length ?? 0} are available for this collection.`}>
                <input type="search" name="find-index" value={sought} onInput={(event) => setSought(event.currentTarget.value)} />
              </Field>
              <div class="indices">
                {listed.map((each) => (
                  <label key={each.id} title={each.title}>
                    <input
                      type="checkbox" name={`index-${each.id}`} checked={usable.includes(each.id)}
                      onChange={(event) =>
                        setIndices(event.currentTarget.checked ? [...usable, each.id] : usable.filter((index) => index !== each.id))
                      }
                    />{" "}
                    {each.id} <small>{each.title}</small>
                  </label>
                ))}
              </div>
              <label>
                <input type="checkbox" checked={masked} disabled={!collection?.masks} onChange={(event) => setMask(event.currentTarget.checked)} /> Leave out
                clouds
              </label>
              <Trouble text={made.trouble} />
            </>
          ) : null}
          <Field label="Evalscript" hint={way === "index" ? "Written by the server for the indices above." : "JavaScript with setup() and evaluatePixel(), and a dataMask output."}>
            <textarea
              name="evalscript" rows={way === "index" ? 6 : 14} required spellcheck={false} readOnly={way === "index"} value={wish.evalscript}
              onInput={(event) => change({ evalscript: event.currentTarget.value })}
            />
          </Field>
          <Field label="Percentiles" hint="Such as 5, 50, 95; empty: none.">
            <input name="percentiles" value={ranks} disabled={wish.rule === "weighted"} onInput={(event) => setRanks(event.currentTarget.value)} />
          </Field>
          <Further wish={wish} change={change} />
          {way === "script" ? <Classes wish={wish} change={change} text={classes} write={setClasses} /> : null}
        </fieldset>
        <Pixels wish={wish} change={change} />
        <fieldset class="grid">
          <legend>Time, resolution and output</legend>
          <Field label="From">
            <input type="date" name="from" required value={wish.from} onInput={(event) => change({ from: event.currentTarget.value })} />
          </Field>
          <Field label="To (not included)">
            <input type="date" name="to" required min={wish.from} value={wish.to} onInput={(event) => change({ to: event.currentTarget.value })} />
          </Field>
          <Field label="Days in an interval">
            <input type="number" name="days" required min={1} max={3660} value={wish.days} onInput={(event) => change({ days: event.currentTarget.valueAsNumber })} />
          </Field>
          <Field label="Sample size in metres" hint={SIZES[String(wish.metresPerUnit)]}>
            <input type="number" name="metres" required min={0.1} step="any" value={wish.metres} onInput={(event) => change({ metres: event.currentTarget.valueAsNumber })} />
          </Field>
          {unseen ? (
            <Field label="Unit of the file's coordinates" hint="The server cannot read the file.">
              <select
                name="unit" required value={told?.url === asked ? told?.unit : ""}
                onChange={(event) => setTold({ url: wish.features, unit: event.currentTarget.value as keyof typeof UNITS })}
              >
                <option value="">choose …</option>
                {Object.keys(UNITS).map((unit) => (
                  <option key={unit}>{unit}</option>
                ))}
              </select>
            </Field>
          ) : null}
          <Field label="Of several images, take">
            <Choice name="order" titles={ORDERS} value={wish.order} choose={(order) => change({ order })} />
          </Field>
          <Field label="Write results to">
            <input name="output" required pattern="s3://.+" value={wish.output} onInput={(event) => change({ output: event.currentTarget.value })} />
          </Field>
          <Field label="Results are">
            <Choice name="results" titles={RESULTS} value={wish.results} choose={(results) => change({ results })} />
          </Field>
          <Field label="Update the request" hint="Only what is new or changed is computed; results are written to the same place.">
            <input
              name="update" list="done" pattern="[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}" placeholder="id of an earlier request" value={wish.update}
              onInput={(event) => {
                const update = event.currentTarget.value.trim();
                const output = outputOf(before.find((each) => each.id === update));
                change(output ? { update, output } : { update });
              }}
            />
          </Field>
          <datalist id="done">
            {before.filter((each) => each.status === "DONE").map((each) => (
              <option key={each.id} value={each.id} />
            ))}
          </datalist>
        </fieldset>
        <Trouble text={unseen} />
        <Trouble text={trouble} />
        <button disabled={busy || sent !== null || wish.metresPerUnit === undefined}>{busy ? "Starting …" : "Start"}</button>
      </section>
      <section class="card">
        <h2>The same as JSON</h2>
        <Source text={JSON.stringify(shown(wish), null, 2)} label="The request as JSON" />
        <h2>The same in Python</h2>
        <Source text={python(wish, client, server)} label="A Python program that sends the request" />
      </section>
    </form>
  );
}
