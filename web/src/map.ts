// The map: vector tiles of the features, coloured by the number in them. MapLibre is loaded when a map is first seen.
import type * as MapLibre from "maplibre-gl";
import { authorization } from "./api";
import { FAILED, STOPS, WARNING } from "./colours";

declare const MAP_URL: string;
declare const WORKER_URL: string;
declare const MAP_STYLE: string;

export type Box = [number, number, number, number];
export interface Colouring {
  /** URL of the tiles with {z}, {x} and {y}. */
  tiles: string;
  /** Numbers of the first and the last colour. */
  low: number;
  high: number;
  verdicts: boolean;
  selected: number | null;
}
export interface Told {
  picked: (feature: number) => void;
  pointed: (feature: number | null, value: number | null) => void;
}

const THEMES = {
  light: { ground: "#eef1ee", none: "#c9d1cb", line: "#ffffff", chosen: "#111111" },
  dark: { ground: "#12181a", none: "#3a4447", line: "#12181a", chosen: "#ffffff" },
};
let loading: Promise<typeof MapLibre> | null = null;

function library(): Promise<typeof MapLibre> {
  if (!loading) {
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = `./assets/${MAP_STYLE}`;
    document.head.append(style);
    loading = (import(MAP_URL) as Promise<typeof MapLibre>).then((found) => {
      found.setWorkerUrl(new URL(`./assets/${WORKER_URL}`, document.baseURI).href);
      return found;
    });
  }
  return loading;
}

function paint(colouring: Colouring, theme: keyof typeof THEMES): unknown {
  const { low, high } = colouring;
  const step = (high - low) / (STOPS.length - 1) || 1e-9;
  const ramp = STOPS.flatMap((colour, index) => [low + index * step, colour]);
  return ["case", ["has", "value"], ["interpolate", ["linear"], ["get", "value"], ...ramp], THEMES[theme].none];
}

export class FeatureMap {
  private shown: Colouring | null = null;

  private constructor(
    private readonly map: MapLibre.Map,
    private theme: keyof typeof THEMES,
  ) {}

  /** A map in the element; `box`: west, south, east, north in degrees. */
  static async open(
    element: HTMLElement, box: Box, colouring: Colouring, theme: keyof typeof THEMES, basemap: string | null, told: Told,
  ): Promise<FeatureMap> {
    const found = await library();
    const here = new URL("./", document.baseURI).href;
    const base: Record<string, unknown> = basemap ? { base: { type: "raster", tiles: [basemap], tileSize: 256 } } : {};
    const map = new found.Map({
      container: element,
      attributionControl: false,
      bounds: box,
      fitBoundsOptions: { padding: 24, maxZoom: 17 },
      maxZoom: 20,
      dragRotate: false,
      pitchWithRotate: false,
      transformRequest: (url: string) => (url.startsWith(here) ? { url, headers: authorization() } : { url }),
      style: {
        version: 8,
        sources: {
          ...base,
          features: { type: "vector", tiles: [colouring.tiles], minzoom: 0, maxzoom: 18 },
        },
        layers: [
          { id: "ground", type: "background", paint: { "background-color": THEMES[theme].ground } },
          ...(basemap ? [{ id: "base", type: "raster", source: "base" }] : []),
          { id: "fill", type: "fill", source: "features", "source-layer": "features", paint: { "fill-opacity": basemap ? 0.8 : 1 } },
          {
            id: "line", type: "line", source: "features", "source-layer": "features", minzoom: 12,
            paint: { "line-color": THEMES[theme].line, "line-width": 0.7 },
          },
          {
            id: "verdict", type: "line", source: "features", "source-layer": "features",
            filter: [">", ["get", "verdict"], 0],
            paint: { "line-color": ["match", ["get", "verdict"], 2, FAILED, WARNING], "line-width": 2.5 },
          },
          {
            id: "chosen", type: "line", source: "features", "source-layer": "features", filter: ["==", ["id"], -1],
            paint: { "line-color": THEMES[theme].chosen, "line-width": 3.5 },
          },
        ],
      } as unknown as MapLibre.StyleSpecification,
    });
    map.addControl(new found.NavigationControl({ showCompass: false }), "top-right");
    map.touchZoomRotate.disableRotation();
    map.getCanvas().setAttribute("aria-label", "Map of the features. Enter chooses the one in the middle; the table below has all of them.");
    const made = new FeatureMap(map, theme);
    const at = (point: MapLibre.PointLike) => map.queryRenderedFeatures(point, { layers: ["fill"] })[0];
    map.on("click", (event) => {
      const feature = at(event.point);
      if (feature?.id !== undefined) told.picked(Number(feature.id));
    });
    map.on("mousemove", (event) => {
      const feature = at(event.point);
      map.getCanvas().style.cursor = feature ? "pointer" : "";
      told.pointed(feature ? Number(feature.id) : null, (feature?.properties?.value as number | undefined) ?? null);
    });
    map.getCanvas().addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      const feature = at(map.project(map.getCenter()));
      if (feature?.id !== undefined) told.picked(Number(feature.id));
    });
    await new Promise<void>((done) => map.once("load", () => done()));
    made.colour(colouring);
    element.dataset.ready = "true";
    return made;
  }

  /** Shows other numbers, or the same otherwise. */
  colour(colouring: Colouring): void {
    const before = this.shown;
    this.shown = colouring;
    if (before && before.tiles !== colouring.tiles) {
      (this.map.getSource("features") as MapLibre.VectorTileSource).setTiles([colouring.tiles]);
    }
    this.map.setPaintProperty("fill", "fill-color", paint(colouring, this.theme) as string);
    this.map.setLayoutProperty("verdict", "visibility", colouring.verdicts ? "visible" : "none");
    this.map.setFilter("chosen", ["==", ["id"], colouring.selected ?? -1]);
  }

  dress(theme: keyof typeof THEMES): void {
    this.theme = theme;
    this.map.setPaintProperty("ground", "background-color", THEMES[theme].ground);
    this.map.setPaintProperty("line", "line-color", THEMES[theme].line);
    this.map.setPaintProperty("chosen", "line-color", THEMES[theme].chosen);
    if (this.shown) this.colour(this.shown);
  }

  goTo(box: Box): void {
    this.map.fitBounds(box, { padding: 80, maxZoom: 16, animate: !matchMedia("(prefers-reduced-motion: reduce)").matches });
  }

  close(): void {
    this.map.remove();
  }
}
