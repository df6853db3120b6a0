// Requests: all of the client's, with what they have done and when they will end.
import { useState } from "preact/hooks";
import * as api from "../api";
import { moment, number, rests, span } from "../text";
import { Trouble, usePolling } from "../ui";

export function Bar({ job }: { job: api.Job }) {
  const share = job.status === "FAILED" ? 0 : job.completionPercentage;
  return (
    <span class="bar">
      <progress max={100} value={share} aria-label="Progress" /> {Math.round(share)} %
    </span>
  );
}

export function JobsView() {
  const [tokens, setTokens] = useState<string[]>([]);
  const token = tokens.at(-1) ?? "";
  const { value, trouble } = usePolling(
    token,
    (signal) => api.jobs(token, signal),
    (list) => (list?.data.every(rests) === false ? 2000 : 8000),
  );
  const busy = value?.data.filter((job) => !rests(job)).length ?? 0;
  return (
    <section>
      <h1>Requests</h1>
      <p role="status">
        {value === null ? "Loading …" : busy ? `${busy} running; the list updates itself.` : "None is running."}
      </p>
      <Trouble text={trouble} />
      {value && !value.data.length && !token ? (
        <p>
          There are no requests yet. <a href="#/new">Create the first one.</a>
        </p>
      ) : null}
      {value?.data.length ? (
        <div class="wide">
          <table>
            <caption class="hidden">Requests, newest first</caption>
            <thead>
              <tr>
                {["Request", "Status", "Created", "Progress", "Features", "Failed", "Per second", "Time left", "Cost (PU)"].map(
                  (name) => (
                    <th scope="col">{name}</th>
                  ),
                )}
              </tr>
            </thead>
            <tbody>
              {value.data.map((job) => (
                <tr key={job.id}>
                  <th scope="row">
                    <a href={`#/jobs/${job.id}`}>
                      <code>{job.id}</code>
                    </a>
                  </th>
                  <td>
                    <span class={`status ${job.status}`}>{job.status}</span>
                  </td>
                  <td>{moment(job.created)}</td>
                  <td>
                    <Bar job={job} />
                  </td>
                  <td class="number">
                    {job.progress ? `${number(job.progress.done)} of ${number(job.progress.features)}` : "–"}
                  </td>
                  <td class={`number ${job.progress?.failed ? "bad" : ""}`}>{number(job.progress?.failed)}</td>
                  <td class="number">{number(job.progress?.featuresPerSecond)}</td>
                  <td class="number">{span(job.progress?.secondsLeft)}</td>
                  <td class="number">{number(job.costPU)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      <p class="pages">
        {tokens.length ? (
          <button type="button" class="quiet" onClick={() => setTokens(tokens.slice(0, -1))}>
            Newer
          </button>
        ) : null}
        {value?.links.nextToken ? (
          <button type="button" class="quiet" onClick={() => setTokens([...tokens, value.links.nextToken!])}>
            Older
          </button>
        ) : null}
      </p>
    </section>
  );
}
