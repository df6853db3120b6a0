// Builds the page into the folder named by the first argument: pages beside assets whose names hold their content's hash.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { join } from "node:path";
import * as esbuild from "esbuild";

const out = process.argv[2];
if (!out) throw new Error("usage: node build.mjs FOLDER");
const assets = join(out, "assets");
rmSync(out, { recursive: true, force: true });
mkdirSync(assets, { recursive: true });

/** Copies a file under a name with its hash; the name. */
function hashed(source, content = readFileSync(source)) {
  const [, stem, ending] = /([^/]+)(\.\w+)$/.exec(source);
  const name = `${stem}-${createHash("sha256").update(content).digest("hex").slice(0, 10)}${ending}`;
  writeFileSync(join(assets, name), content);
  return name;
}

const bare = (text) => text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n").replace(/\/\*# sourceMappingURL=.*\*\//, "");
const take = (path, change = (text) => text) => hashed(path, Buffer.from(change(bare(readFileSync(path, "utf8")))));

// MapLibre comes as modules that load one another by name, its worker among them: they are kept, with hashed names.
const maplibre = "node_modules/maplibre-gl/dist/";
const worker = take(`${maplibre}maplibre-gl-worker.mjs`);
const map = take(`${maplibre}maplibre-gl.mjs`);
const mapStyle = take(`${maplibre}maplibre-gl.css`);
const swagger = take("node_modules/swagger-ui-dist/swagger-ui-bundle.js");
const swaggerStyle = take("node_modules/swagger-ui-dist/swagger-ui.css");

const built = await esbuild.build({
  entryPoints: { page: "src/main.tsx", docs: "src/docs.ts" },
  bundle: true,
  format: "esm",
  external: ["./maplibre-gl-*.mjs"],
  target: "es2022",
  minify: true,
  legalComments: "eof",
  jsx: "automatic",
  jsxImportSource: "preact",
  write: false,
  outdir: "built",
  define: { MAP_URL: JSON.stringify(`./${map}`), WORKER_URL: JSON.stringify(worker), MAP_STYLE: JSON.stringify(mapStyle) },
});
const scripts = Object.fromEntries(
  built.outputFiles.map((file) => [file.path.split("/").pop(), hashed(file.path, Buffer.from(file.contents))]),
);
const names = {
  PAGE_JS: scripts["page.js"],
  DOCS_JS: scripts["docs.js"],
  PAGE_CSS: take("src/style.css"),
  ICON: take("src/icon.svg"),
  SWAGGER_JS: swagger,
  SWAGGER_CSS: swaggerStyle,
};
for (const page of ["index.html", "docs.html"]) {
  const text = readFileSync(`src/${page}`, "utf8").replace(/%(\w+)%/g, (_, key) => names[key]);
  writeFileSync(join(out, page), text);
}
const licences = ["maplibre-gl/LICENSE.txt", "preact/LICENSE", "swagger-ui-dist/LICENSE", "swagger-ui-dist/NOTICE"];
writeFileSync(
  join(assets, "licences.txt"),
  licences.map((path) => `=== ${path}\n\n${readFileSync(`node_modules/${path}`, "utf8")}`).join("\n"),
);
let size = 0;
for (const name of readdirSync(assets)) {
  const packed = gzipSync(readFileSync(join(assets, name)), { level: 9 });
  writeFileSync(join(assets, `${name}.gz`), packed);
  size += packed.length;
}
console.log(`The page is built: ${Math.round(size / 1000)} kB compressed, in ${out}`);
if (size > 1_500_000) throw new Error("The page must stay below 1.5 MB compressed");
