// The page: which view is seen, by the part of the address after #.
import { render } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import * as api from "./api";
import { CreateView } from "./views/create";
import { JobView } from "./views/job";
import { JobsView } from "./views/jobs";
import { SignIn } from "./views/signin";

type Theme = "light" | "dark";

function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState<Theme>(
    () =>
      (sessionStorage.getItem("arpent-theme") as Theme | null) ??
      (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"),
  );
  useLayoutEffect(() => {
    document.documentElement.dataset.theme = theme; // before anything is painted in the other theme's colours
  }, [theme]);
  return [
    theme,
    () => {
      const other = theme === "dark" ? "light" : "dark";
      sessionStorage.setItem("arpent-theme", other);
      setTheme(other);
    },
  ];
}

function useRoute(): string[] {
  const read = () => location.hash.replace(/^#\/?/, "").split("/").filter(Boolean);
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const changed = () => setRoute(read());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

function App() {
  const [client, setClient] = useState(api.client());
  const [theme, turn] = useTheme();
  const route = useRoute();
  useEffect(() => api.onLeave(() => setClient(null)), []);
  const [view, id] = route;
  const title = !client ? "Sign in" : view === "new" ? "New request" : view === "jobs" && id ? "Request" : "Requests";
  useEffect(() => {
    document.title = `${title} – arpent`;
  }, [title]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>
        Skip to content
      </a>
      <header>
        <a class="brand" href="#/jobs">
          arpent
        </a>
        {client ? (
          <nav aria-label="Views">
            <a href="#/jobs" aria-current={view !== "new" ? "page" : undefined}>
              Requests
            </a>
            <a href="#/new" aria-current={view === "new" ? "page" : undefined}>
              New request
            </a>
          </nav>
        ) : null}
        <span class="right">
          <a href="./docs">API</a>
          <button type="button" class="quiet" onClick={turn}>
            {theme === "dark" ? "Light" : "Dark"}
          </button>
          {client ? (
            <button type="button" class="quiet" onClick={api.leave}>
              Sign out
            </button>
          ) : null}
        </span>
      </header>
      <main id="main" tabIndex={-1}>
        {!client ? (
          <SignIn entered={() => setClient(api.client())} />
        ) : view === "new" ? (
          <CreateView client={client} />
        ) : view === "jobs" && id ? (
          <JobView key={id} id={id} theme={theme} />
        ) : (
          <JobsView />
        )}
      </main>
    </>
  );
}

render(<App />, document.getElementById("app")!);
