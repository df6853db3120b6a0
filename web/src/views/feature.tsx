// One feature: its curve, all its numbers, what was found about it, where the numbers come from, and explain's picture.
import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api";
import { Chart } from "../chart";
import { SharesChart } from "../shares";
import { cell, day, heading, number, percent } from "../text";
import { Trouble, said, useAnswer } from "../ui";

interface Shown {
  output: string;
  band: string;
  from: string | null;
}

export function FeaturePanel(props: {
  job: string;
  state: string;
  feature: number;
  shown: Shown;
  choose: (from: string) => void;
  close: () => void;
  found: (box: [number, number, number, number]) => void;
}) {
  const { job, feature, shown } = props;
  const path = `${api.jobPath(job)}/results/features/${feature}`;
  const { value, trouble, loading } = useAnswer(`${path} ${props.state}`, (signal) => api.get<api.Series>(path, signal));
  const rows = value?.data.filter((row) => row.output === shown.output && row.band === shown.band) ?? [];
  const failures = value?.data.filter((row) => row.status === "FAILED") ?? [];
  const chosen = rows.find((row) => row.from === shown.from);
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.focus(), [feature]);
  const name = value?.identifier ?? `id ${feature}`;
  return (
    <section class="card feature" aria-label={`Feature ${feature}`} ref={panel} tabIndex={-1}>
      <div class="heading">
        <h2>
          Feature {name} <small>id {feature}</small>
        </h2>
        <button type="button" class="quiet" onClick={() => value?.bbox && props.found(value.bbox)} disabled={!value?.bbox}>
          Show on map
        </button>
        <button type="button" class="quiet" onClick={props.close}>
          Close
        </button>
      </div>
      <p role="status">{loading ? "Loading …" : ""}</p>
      <Trouble text={trouble} />
      {value ? (
        <>
          {value.findings.map((finding) => (
            <p class={`finding ${finding.verdict}`} key={finding.kind}>
              <b>{finding.verdict}</b> {finding.kind}: {finding.message}
            </p>
          ))}
          {[...new Set(failures.map((row) => row.reason))].map((reason) => (
            <p class="finding FAILED">
              <b>FAILED</b> {reason}
            </p>
          ))}
          {rows.length ? (
            <Chart
              rows={rows}
              chosen={shown.from}
              choose={props.choose}
              label={`${shown.output} ${shown.band} of feature ${name} over ${rows.length} dates; the table below has the numbers`}
            />
          ) : (
            <p>There are no numbers of {shown.output} for this feature.</p>
          )}
          <SharesChart rows={rows} />
          {chosen ? <Origin row={chosen} /> : null}
          <Explained job={job} feature={feature} from={shown.from} />
          <details>
            <summary>All numbers</summary>
            <Numbers rows={rows} />
          </details>
          {Object.keys(value.properties).length ? (
            <details>
              <summary>Columns of the file</summary>
              <dl>
                {Object.entries(value.properties).map(([key, each]) => (
                  <div key={key}>
                    <dt>{key}</dt>
                    <dd>{each === null ? "–" : String(each)}</dd>
                  </div>
                ))}
              </dl>
            </details>
          ) : null}
        </>
      ) : null}
    </section>
  );
}

function Origin({ row }: { row: api.Row }) {
  const further = Object.keys(row.more).filter((name) => !["cloudy_share", "tiny"].includes(name));
  return (
    <div class="origin">
      <h3>
        {day(row.from)} to {day(row.to)}
      </h3>
      <p>
        mean {number(row.mean)}, min {number(row.min)}, max {number(row.max)}, st. dev. {number(row.stDev)};{" "}
        {percent(row.validShare)} of {number(row.geometryPixelCount)} samples inside the polygon are valid
        {typeof row.more.cloudy_share === "number" ? `, and the mask leaves out ${percent(row.more.cloudy_share)}` : ""}.
      </p>
      {row.more.tiny ? (
        <p class="finding WARNING">The polygon is tiny: smaller than a sample, or with at most one sample.</p>
      ) : null}
      {further.length ? (
        <dl>
          {further.map((name) => (
            <div key={name}>
              <dt>{heading(name)}</dt>
              <dd>{cell(name, row.more[name])}</dd>
            </div>
          ))}
        </dl>
      ) : null}
      {row.items?.length ? (
        <p>
          From{" "}
          {row.items.map((item) => (
            <code key={item}>{item} </code>
          ))}
        </p>
      ) : null}
    </div>
  );
}

function Numbers({ rows }: { rows: api.Row[] }) {
  const ranks = Object.keys(rows[0]?.percentiles ?? {});
  const further = Object.keys(rows[0]?.more ?? {});
  return (
    <div class="wide">
      <table>
        <thead>
          <tr>
            {["From", "Mean", "Min", "Max", "St. dev.", "Valid", ...ranks.map((rank) => `p${rank}`), ...further.map(heading)].map((each) => (
              <th scope="col">{each}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.from}>
              <th scope="row">{day(row.from)}</th>
              {[row.mean, row.min, row.max, row.stDev].map((each) => (
                <td class="number">{number(each)}</td>
              ))}
              <td class="number">{percent(row.validShare)}</td>
              {ranks.map((rank) => (
                <td class="number">{number(row.percentiles[rank])}</td>
              ))}
              {further.map((name) => (
                <td class="number">{cell(name, row.more[name])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The picture of how a number came about, computed when it is asked for. */
function Explained({ job, feature, from }: { job: string; feature: number; from: string | null }) {
  const [picture, setPicture] = useState<string | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    setPicture(null);
    setTrouble(null);
  }, [job, feature, from]);
  useEffect(() => () => (picture ? URL.revokeObjectURL(picture) : undefined), [picture]);
  const draw = async () => {
    setBusy(true);
    setTrouble(null);
    try {
      const query = new URLSearchParams({ format: "png", ...(from ? { from } : {}) });
      setPicture(URL.createObjectURL(await api.file(`${api.jobPath(job)}/features/${feature}/explain?${query}`)));
    } catch (error) {
      setTrouble(said(error));
    }
    setBusy(false);
  };
  return (
    <div class="explained">
      {picture ? (
        <img src={picture} alt={`Samples, mask and outputs of feature ${feature} in the interval from ${day(from)}`} />
      ) : (
        <button type="button" class="quiet" onClick={draw} disabled={busy}>
          {busy ? "Computing …" : `Explain ${from ? day(from) : "the first date"} as a picture`}
        </button>
      )}
      <Trouble text={trouble} />
    </div>
  );
}
