// One request: its progress, and a map of its numbers.
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api";
import { FeatureMap, type Box } from "../map";
import { about, day, moment, number, rests, span, startable } from "../text";
import { Source, Trouble, said, save, useAnswer, usePolling } from "../ui";
import { FeaturePanel } from "./feature";
import { Bar } from "./jobs";
import { Listed } from "./listed";

export function JobView({ id, theme }: { id: string; theme: "light" | "dark" }) {
  const { value: job, trouble, again } = usePolling(
    id,
    (signal) => api.job(id, signal),
    (found) => (found && rests(found) ? 15_000 : 2000),
  );
  const [refused, setRefused] = useState<string | null>(null);
  const act = async (action: string) => {
    setRefused(null);
    try {
      await api.act(id, action);
    } catch (error) {
      setRefused(said(error));
    }
    again();
  };
  if (!job) return <>{trouble ? <Trouble text={trouble} /> : <p role="status">Loading …</p>}</>;
  const progress = job.progress;
  const working = !rests(job);
  return (
    <>
      <section class="card">
        <div class="heading">
          <h1>
            Request <code>{id}</code>
          </h1>
          {startable(job) ? (
            <button type="button" onClick={() => act("start")}>
              Start
            </button>
          ) : null}
          {job.status === "CREATED" ? (
            <button type="button" class="quiet" onClick={() => act("analyse")}>
              Analyse
            </button>
          ) : null}
          {working ? (
            <button type="button" class="quiet" onClick={() => act("stop")}>
              Stop
            </button>
          ) : null}
        </div>
        <p role="status">
          <span class={`status ${job.status}`}>{job.status}</span> <Bar job={job} /> created {moment(job.created)}
          {progress ? (
            <>
              {" "}
              · {number(progress.done)} of {number(progress.features)} features
              {progress.failed ? <b class="bad">, {number(progress.failed)} failed</b> : null}
              {progress.incomplete ? <b class="bad">, {number(progress.incomplete)} incomplete</b> : null}
              {working && progress.featuresPerSecond !== null
                ? ` · ${number(progress.featuresPerSecond)} a second, ${span(progress.secondsLeft)} left`
                : null}
            </>
          ) : null}
          {job.costPU ? ` · ${number(job.costPU)} PU` : null}
        </p>
        {progress?.rows ? <RowCounts rows={progress.rows} /> : null}
        <Trouble text={trouble ?? refused ?? job.error ?? null} />
        {job.waiting ? (
          <p class="finding WARNING">
            Waits for {job.waiting.for} since {moment(job.waiting.since)}
          </p>
        ) : null}
        {job.hint ? <p class="finding WARNING">{job.hint}</p> : null}
        <details>
          <summary>The request as JSON</summary>
          <Source text={JSON.stringify(job.request, null, 2)} label="The request as JSON" />
        </details>
      </section>
      <Results job={job} theme={theme} />
    </>
  );
}

function Results({ job, theme }: { job: api.Job; theme: "light" | "dark" }) {
  const path = `${api.jobPath(job.id)}/results`;
  const analysed = !["CREATED", "ANALYSING"].includes(job.status) && job.progress !== undefined;
  const state = `${job.status}-${job.progress?.done ?? 0}-${job.progress?.failed ?? 0}`;
  const overview = useAnswer(analysed ? `${path} ${state}` : null, (signal) => api.get<api.Overview>(path, signal));
  const last = useRef<api.Overview | null>(null);
  if (overview.value) last.current = overview.value;
  if (!analysed) return <p>The map appears once the request has been analysed.</p>;
  if (overview.trouble && !last.current) return <Trouble text={overview.trouble} />;
  return last.current ? <Mapped job={job} state={state} path={path} seen={last.current} theme={theme} /> : <p role="status">Loading …</p>;
}

interface Wish {
  output: string;
  band: string;
  statistic: string;
  at: number;
}

function Mapped(props: { job: api.Job; state: string; path: string; seen: api.Overview; theme: "light" | "dark" }) {
  const { seen, path, state, job } = props;
  const [wish, setWish] = useState<Partial<Wish>>({});
  const [verdicts, setVerdicts] = useState(true);
  const [feature, setFeature] = useState<number | null>(null);
  const [pointed, setPointed] = useState("");
  const [trouble, setTrouble] = useState<string | null>(null);
  const [goal, setGoal] = useState<Box | null>(null);
  const output = seen.outputs.find((each) => each.id === wish.output) ?? seen.outputs[0];
  const band = output?.bands.includes(wish.band ?? "") ? wish.band! : output?.bands[0] ?? "";
  const statistic = wish.statistic ?? (seen.statistics.includes("mean") ? "mean" : seen.statistics[0] ?? "");
  const best = seen.intervals.reduce((most, each, at) => (each.withNumbers > (seen.intervals[most]?.withNumbers ?? 0) ? at : most), 0);
  const at = Math.min(wish.at ?? best, Math.max(0, seen.intervals.length - 1));
  const interval = seen.intervals[at];
  const query = output
    ? new URLSearchParams({ output: output.id, band, statistic, ...(interval ? { from: interval.from } : {}) }).toString()
    : "";
  const scaleQuery = output ? new URLSearchParams({ output: output.id, band, statistic }).toString() : null;
  const scale = useAnswer(scaleQuery === null ? null : `${path} ${scaleQuery} ${state}`, (signal) =>
    api.get<api.Scale>(`${path}/scale?${scaleQuery}`, signal),
  ).value;
  const tiles = new URL(path, document.baseURI).href + `/tiles/{z}/{x}/{y}?${query}${query ? "&" : ""}state=${encodeURIComponent(state)}`;
  const save_ = async (kind: string) => {
    setTrouble(null);
    try {
      save(await api.file(`${path}/table?format=${kind}`), `arpent-${job.id}.${kind}`);
    } catch (error) {
      setTrouble(said(error));
    }
  };
  const chooseDate = (from: string) => {
    const place = seen.intervals.findIndex((each) => each.from === from);
    if (place >= 0) setWish({ ...wish, at: place });
  };
  return (
    <>
      <section class="card">
        <div class="controls">
          <label>
            Output{" "}
            <select value={output?.id} onChange={(event) => setWish({ ...wish, output: event.currentTarget.value })}>
              {seen.outputs.map((each) => (
                <option key={each.id}>{each.id}</option>
              ))}
            </select>
          </label>
          {output && output.bands.length > 1 ? (
            <label>
              Band{" "}
              <select value={band} onChange={(event) => setWish({ ...wish, band: event.currentTarget.value })}>
                {output.bands.map((each) => (
                  <option key={each}>{each}</option>
                ))}
              </select>
            </label>
          ) : null}
          <label>
            Statistic{" "}
            <select value={statistic} onChange={(event) => setWish({ ...wish, statistic: event.currentTarget.value })}>
              {seen.statistics.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </label>
          <label class="slider">
            Date{" "}
            <input
              type="range" min={0} max={Math.max(0, seen.intervals.length - 1)} value={at}
              aria-valuetext={interval ? `${day(interval.from)} to ${day(interval.to)}` : "none"}
              onInput={(event) => setWish({ ...wish, at: Number(event.currentTarget.value) })}
            />
            <output>{interval ? `${day(interval.from)} · ${number(interval.withNumbers)} with numbers` : "no date yet"}</output>
          </label>
          <label>
            <input type="checkbox" checked={verdicts} onChange={(event) => setVerdicts(event.currentTarget.checked)} /> Verdicts (
            {number(seen.verdicts.WARNING ?? 0)} warnings, {number(seen.verdicts.FAILED ?? 0)} failed)
          </label>
        </div>
        {seen.bbox ? (
          <MapBox
            box={seen.bbox} theme={props.theme} goal={goal}
            colouring={{ tiles, low: scale?.low ?? 0, high: scale?.high ?? 1, verdicts, selected: feature }}
            picked={setFeature}
            pointed={(which, value) => setPointed(which === null ? "" : `Feature ${which}: ${about(value)}`)}
            failed={setTrouble}
          />
        ) : (
          <p>No feature can be placed on the map.</p>
        )}
        <div class="legend">
          <span>{number(scale?.low)}</span>
          <span class="ramp" role="img" aria-label={`Colours from ${number(scale?.low)} to ${number(scale?.high)}`} />
          <span>{number(scale?.high)}</span>
          <span class="swatch none" /> no number
          <span class="swatch warning" /> warning
          <span class="swatch failed" /> failed
          <span class="pointed">{pointed}</span>
        </div>
        <Trouble text={trouble} />
        <p class="downloads">
          Download the table:{" "}
          <button type="button" class="quiet" onClick={() => save_("csv")}>
            CSV
          </button>{" "}
          <button type="button" class="quiet" onClick={() => save_("parquet")}>
            Parquet
          </button>
        </p>
      </section>
      {feature !== null ? (
        <FeaturePanel
          job={job.id} state={state} feature={feature} choose={chooseDate} close={() => setFeature(null)} found={setGoal}
          shown={{ output: output?.id ?? "", band, from: interval?.from ?? null }}
        />
      ) : (
        <p>Choose a feature on the map or in the table to see its curve.</p>
      )}
      <Listed path={path} query={query} state={state} total={seen.features} chosen={feature} choose={setFeature} what={statistic} />
    </>
  );
}

/** A row is a feature in an interval. */
function RowCounts({ rows }: { rows: api.Rows }) {
  return (
    <>
      <p>
        Rows: {number(rows.withNumbers)} with numbers, {number(rows.allMasked)} all masked, {number(rows.withoutImagery)} without imagery
        {rows.failed ? <b class="bad">, {number(rows.failed)} failed</b> : null}
        {rows.kept ? `; ${number(rows.kept)} of them kept from an earlier request, the others computed` : null}
      </p>
      {rows.reasons.length ? (
        <ul>
          {rows.reasons.map((each) => (
            <li key={each.reason}>
              {number(each.count)}: {each.reason}
            </li>
          ))}
        </ul>
      ) : null}
    </>
  );
}

function MapBox(props: {
  box: Box;
  theme: "light" | "dark";
  goal: Box | null;
  colouring: { tiles: string; low: number; high: number; verdicts: boolean; selected: number | null };
  picked: (feature: number) => void;
  pointed: (feature: number | null, value: number | null) => void;
  failed: (text: string) => void;
}) {
  const element = useRef<HTMLDivElement>(null);
  const map = useRef<FeatureMap | null>(null);
  const newest = useRef(props);
  newest.current = props;
  useEffect(() => {
    let gone = false;
    const open = async () => {
      const basemap = await api.basemap();
      const made = await FeatureMap.open(element.current!, props.box, newest.current.colouring, props.theme, basemap, {
        picked: (feature) => newest.current.picked(feature),
        pointed: (feature, value) => newest.current.pointed(feature, value),
      });
      if (gone) return made.close();
      map.current = made;
      made.dress(newest.current.theme);
      made.colour(newest.current.colouring);
    };
    open().catch((error) => props.failed(`The map cannot be shown (${said(error)}); the table below has the numbers.`));
    return () => {
      gone = true;
      map.current?.close();
      map.current = null;
    };
  }, []);
  const { tiles, low, high, verdicts, selected } = props.colouring;
  useEffect(() => map.current?.colour(props.colouring), [tiles, low, high, verdicts, selected]);
  useEffect(() => map.current?.dress(props.theme), [props.theme]);
  useEffect(() => {
    if (props.goal) map.current?.goTo(props.goal);
  }, [props.goal]);
  return <div class="map" ref={element} />;
}
