// Shares of classes over time: a bar for each date, one part of it for each class.
import type { Row } from "./api";
import { SHARE, day, percent } from "./text";

const WIDTH = 640;
const HEIGHT = 150;
const EDGE = { left: 52, right: 40, top: 8, bottom: 22 };
/** Classes with a colour of their own; the style sheet has the colours. */
const COLOURS = 8;

export function SharesChart({ rows }: { rows: Row[] }) {
  const names = Object.keys(rows[0]?.more ?? {}).filter((name) => name.startsWith(SHARE));
  const shown = rows.filter((row) => row.from !== null && names.some((name) => typeof row.more[name] === "number"));
  if (!names.length || !shown.length) return null;
  const step = (WIDTH - EDGE.left - EDGE.right) / shown.length;
  const width = Math.min(28, step * 0.8);
  const tall = HEIGHT - EDGE.top - EDGE.bottom;
  const every = Math.ceil(shown.length / 7);
  const bar = (row: Row, place: number) => {
    let below = 0;
    return names.map((name, number) => {
      const share = Number(row.more[name] ?? 0);
      below += share;
      return (
        <rect
          key={name} class={`class${number % COLOURS}`} x={EDGE.left + (place + 0.5) * step - width / 2} width={width}
          y={EDGE.top + (1 - below) * tall} height={share * tall}
        >
          <title>{`${day(row.from)}: ${percent(share)} ${name.slice(SHARE.length)}`}</title>
        </rect>
      );
    });
  };
  return (
    <figure class="chart shares">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`Shares of classes over ${shown.length} dates; the table below has the numbers`}>
        {[0, 0.5, 1].map((share) => (
          <g key={share}>
            <line class="grid" x1={EDGE.left} x2={WIDTH - EDGE.right} y1={EDGE.top + (1 - share) * tall} y2={EDGE.top + (1 - share) * tall} />
            <text x={EDGE.left - 6} y={EDGE.top + (1 - share) * tall + 4} text-anchor="end">
              {percent(share)}
            </text>
          </g>
        ))}
        {shown.map((row, place) => (
          <g key={row.from}>
            {bar(row, place)}
            {place % every === 0 ? (
              <text x={EDGE.left + (place + 0.5) * step} y={HEIGHT - 6} text-anchor="middle">
                {day(row.from)}
              </text>
            ) : null}
          </g>
        ))}
      </svg>
      <figcaption>
        Shares of classes in the samples that count:{" "}
        {names.map((name, number) => (
          <span class="key" key={name}>
            <svg width="12" height="12" aria-hidden="true">
              <rect class={`class${number % COLOURS}`} width="12" height="12" />
            </svg>{" "}
            {name.slice(SHARE.length)}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}
