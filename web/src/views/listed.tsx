// The features as a table: what the map shows, for who does not see it or looks for one by its id.
import { useState } from "preact/hooks";
import * as api from "../api";
import { number } from "../text";
import { Trouble, useAnswer } from "../ui";

const COUNT = 20;
interface Values {
  total: number;
  data: { id: number; identifier: string | null; value: number | null; verdict: string | null }[];
}

export function Listed(props: {
  path: string;
  query: string;
  state: string;
  total: number;
  chosen: number | null;
  what: string;
  choose: (feature: number) => void;
}) {
  const [offset, setOffset] = useState(0);
  const url = `${props.path}/values?${props.query}${props.query ? "&" : ""}count=${COUNT}&offset=${offset}`;
  const { value, trouble } = useAnswer(`${url} ${props.state}`, (signal) => api.get<Values>(url, signal));
  const find = (event: SubmitEvent) => {
    event.preventDefault();
    const id = Number(new FormData(event.currentTarget as HTMLFormElement).get("id"));
    if (Number.isInteger(id)) props.choose(id);
  };
  return (
    <section class="card">
      <div class="heading">
        <h2>Features</h2>
        <form class="inline" onSubmit={find}>
          <label>
            Id <input name="id" inputMode="numeric" required size={8} />
          </label>
          <button class="quiet">Show</button>
        </form>
      </div>
      <Trouble text={trouble} />
      <div class="wide">
        <table>
          <caption class="hidden">Features of this request with the number that the map shows</caption>
          <thead>
            <tr>
              {["Id", "Identifier", props.what, "Verdict", ""].map((name) => (
                <th scope="col">{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {value?.data.map((row) => (
              <tr key={row.id} class={row.id === props.chosen ? "chosen" : ""}>
                <th scope="row">{row.id}</th>
                <td>{row.identifier ?? "–"}</td>
                <td class="number">{number(row.value)}</td>
                <td>{row.verdict ? <span class={`verdict ${row.verdict}`}>{row.verdict}</span> : null}</td>
                <td>
                  <button type="button" class="quiet" onClick={() => props.choose(row.id)} aria-label={`Show feature ${row.id}`}>
                    Show
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="pages">
        {offset ? (
          <button type="button" class="quiet" onClick={() => setOffset(Math.max(0, offset - COUNT))}>
            Before
          </button>
        ) : null}
        <span role="status">
          {value?.data.length ? `${number(offset + 1)} to ${number(offset + value.data.length)} of ${number(props.total)}` : ""}
        </span>
        {offset + COUNT < props.total ? (
          <button type="button" class="quiet" onClick={() => setOffset(offset + COUNT)}>
            After
          </button>
        ) : null}
      </p>
    </section>
  );
}
