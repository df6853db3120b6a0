// Parts of the form for a new request: further statistics, shares of classes, and which pixels count.
import { UNWEIGHTED, type Wish } from "../request";
import { Choice, Field } from "../ui";

interface Part {
  wish: Wish;
  change: (part: Partial<Wish>) => void;
}

const MORE: Record<string, string> = {
  sum: "sum", count: "count", variance: "variance", median: "median", mode: "mode", weightedMean: "weighted mean",
  cloudyShare: "cloudy share: what the mask excludes",
};
const RULES: Record<string, string> = {
  service: "that the polygon touches, except slivers (as the service)", centre: "whose centre lies inside",
  touched: "that the polygon touches", weighted: "that it touches, each by its share",
};
const TINY: Record<string, string> = {
  "": "as the rule says", nearest: "have the nearest sample", flagged: "are marked in a column",
  "nearest,flagged": "have the nearest sample, and are marked",
};

/** `plants=4, soil=5` as names and values; what is no class yet is left out. */
export function classesOf(text: string): [string, number][] {
  const pairs = text.split(/[,;]+/).map((part) => /^\s*(.*\S)\s*=\s*(-?\d+)\s*$/.exec(part));
  return pairs.flatMap((pair) => (pair ? [[pair[1]!, Number(pair[2])] as [string, number]] : []));
}

export function Further({ wish, change }: Part) {
  const weighted = wish.rule === "weighted";
  return (
    <div class="choices" role="group" aria-label="Further statistics">
      <b>Further statistics</b>
      <div class="indices">
        {Object.entries(MORE).map(([name, title]) => (
          <label key={name}>
            <input
              type="checkbox" name={`more-${name}`} checked={wish.more.includes(name)} disabled={weighted && UNWEIGHTED.includes(name)}
              onChange={(event) =>
                change({ more: Object.keys(MORE).filter((each) => (each === name ? event.currentTarget.checked : wish.more.includes(each))) })
              }
            />{" "}
            {title}
          </label>
        ))}
      </div>
    </div>
  );
}

export function Classes({ wish, change, text, write }: Part & { text: string; write: (text: string) => void }) {
  return (
    <>
      <Field label="Shares of classes" hint="For an integer output: plants=4, soil=5; empty: none.">
        <input name="shares" value={text} disabled={wish.rule === "weighted"} onInput={(event) => write(event.currentTarget.value)} />
      </Field>
      {wish.shares.length ? (
        <Field label="Output with the classes" hint="Empty: all integer outputs.">
          <input name="shares-of" value={wish.sharesOf} onInput={(event) => change({ sharesOf: event.currentTarget.value.trim() })} />
        </Field>
      ) : null}
    </>
  );
}

export function Pixels({ wish, change }: Part) {
  const degrees = wish.metresPerUnit === null;
  return (
    <fieldset class="grid">
      <legend>Which samples count</legend>
      <Field label="Samples" hint={wish.rule === "weighted" ? "Percentiles, median, mode and classes have no weights." : undefined}>
        <Choice name="rule" titles={RULES} value={wish.rule} choose={(rule) => change({ rule })} />
      </Field>
      <Field label="Shrink polygons by (metres)" hint={degrees ? "Not for a file in degrees." : undefined}>
        <input
          type="number" name="inner" min={0} step="any" value={wish.inner} disabled={degrees}
          onInput={(event) => change({ inner: event.currentTarget.valueAsNumber || 0 })}
        />
      </Field>
      <Field label="Tiny polygons">
        <Choice name="tiny" titles={TINY} value={wish.tiny} choose={(tiny) => change({ tiny })} />
      </Field>
    </fieldset>
  );
}
