// A feature over time: the band from min to max, percentiles, the mean, and the share of valid samples below.
import type { Row } from "./api";
import { day, number, percent } from "./text";

const WIDTH = 640;
const HEIGHT = 260;
const EDGE = { left: 52, right: 40, top: 10, bottom: 66 };
const SHARE = 26;

const middle = (row: Row): number => (Date.parse(row.from!) + Date.parse(row.to ?? row.from!)) / 2;

/** About `count` round numbers from `low` to `high`. */
export function ticks(low: number, high: number, count: number): number[] {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((each) => each * power >= raw) ?? 10) * power;
  const found: number[] = [];
  for (let index = Math.ceil(low / step); index * step <= high + step * 1e-9; index++) found.push(+(index * step).toPrecision(12));
  return found;
}

/** Runs of rows that follow one another without a gap: a line is not drawn over dates without a number. */
function runs(rows: Row[], has: (row: Row) => boolean): Row[][] {
  const found: Row[][] = [];
  let open: Row[] | null = null;
  for (const row of rows) {
    if (!has(row)) open = null;
    else if (open) open.push(row);
    else found.push((open = [row]));
  }
  return found;
}

export function Chart(props: { rows: Row[]; chosen: string | null; label: string; choose: (from: string) => void }) {
  const rows = props.rows.filter((row) => row.from !== null).sort((one, other) => one.from!.localeCompare(other.from!));
  const numbers = rows.flatMap((row) => [row.min, row.max, row.mean]).filter((each): each is number => each !== null);
  if (!numbers.length) return <p>No interval of this feature has a number.</p>;
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const spare = (most - least) * 0.06 || Math.abs(most) * 0.1 || 1;
  const [low, high] = [least - spare, most + spare];
  const times = rows.map(middle);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const x = (row: Row) =>
    EDGE.left + (last === first ? 0.5 : (middle(row) - first) / (last - first)) * (WIDTH - EDGE.left - EDGE.right - 12) + 6;
  const y = (value: number) => EDGE.top + ((high - value) / (high - low)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const floor = HEIGHT - 22;
  const line = (part: Row[], of: (row: Row) => number) =>
    part.map((row, index) => `${index ? "L" : "M"}${x(row).toFixed(1)},${y(of(row)).toFixed(1)}`).join("");
  const area = (part: Row[]) =>
    `${line(part, (row) => row.max!)}${[...part].reverse().map((row) => `L${x(row).toFixed(1)},${y(row.min!).toFixed(1)}`).join("")}Z`;
  const ranks = Object.keys(rows[0]!.percentiles).filter((rank) => rows.some((row) => row.percentiles[rank] !== null));
  const every = Math.ceil(rows.length / 7);
  return (
    <figure class="chart">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={props.label}>
        {ticks(low, high, 4).map((value) => (
          <g key={value}>
            <line class="grid" x1={EDGE.left} x2={WIDTH - EDGE.right} y1={y(value)} y2={y(value)} />
            <text x={EDGE.left - 6} y={y(value) + 4} text-anchor="end">
              {number(value)}
            </text>
          </g>
        ))}
        {runs(rows, (row) => row.min !== null && row.max !== null).map((part) =>
          part.length > 1 ? (
            <path class="band" d={area(part)} />
          ) : (
            <line class="lone" x1={x(part[0]!)} x2={x(part[0]!)} y1={y(part[0]!.min!)} y2={y(part[0]!.max!)} />
          ),
        )}
        {ranks.flatMap((rank) =>
          runs(rows, (row) => row.percentiles[rank] !== null && row.percentiles[rank] !== undefined).map((part) => (
            <path class="rank" d={line(part, (row) => row.percentiles[rank]!)} />
          )),
        )}
        {runs(rows, (row) => row.mean !== null).map((part) => (
          <path class="mean" d={line(part, (row) => row.mean!)} />
        ))}
        {rows.map((row) => (
          <g key={row.from} class={row.from === props.chosen ? "date chosen" : "date"} onClick={() => props.choose(row.from!)}>
            <title>{`${day(row.from)}: mean ${number(row.mean)}, ${number(row.min)} to ${number(row.max)}, ${percent(row.validShare)} valid`}</title>
            <rect class="target" x={x(row) - 9} y={EDGE.top} width={18} height={floor - EDGE.top} />
            {row.mean !== null ? <circle cx={x(row)} cy={y(row.mean)} r={row.from === props.chosen ? 5.5 : 3.5} /> : null}
            <rect class="frame" x={x(row) - 4} y={floor - SHARE} width={8} height={SHARE} />
            <rect class="share" x={x(row) - 4} y={floor - SHARE * (row.validShare ?? 0)} width={8} height={SHARE * (row.validShare ?? 0)} />
          </g>
        ))}
        <text x={EDGE.left - 6} y={floor - SHARE / 2 + 4} text-anchor="end">
          valid
        </text>
        {rows.map((row, index) =>
          index % every === 0 ? (
            <text x={x(row)} y={HEIGHT - 6} text-anchor="middle">
              {day(row.from)}
            </text>
          ) : null,
        )}
      </svg>
      <figcaption>
        Line: mean. Band: min to max.{ranks.length ? ` Dashed: percentiles ${ranks.join(", ")}.` : ""} Bars: share of valid
        samples.
      </figcaption>
    </figure>
  );
}
